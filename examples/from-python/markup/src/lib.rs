//! The crate pulldown-cmark as a component: Markdown to HTML, and the headings of a text.

use exports::example::markup::convert::{Extensions, Guest, Heading};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};

wit_bindgen::generate!({ path: "wit", world: "markup" });

struct Markup;
export!(Markup);

impl Guest for Markup {
    fn html(text: String, extensions: Extensions) -> String {
        let mut out = String::with_capacity(text.len() * 3 / 2);
        html::push_html(&mut out, Parser::new_ext(&text, options(extensions)));
        out
    }

    fn headings(text: String) -> Vec<Heading> {
        let mut headings = Vec::new();
        let mut open: Option<Heading> = None;
        for event in Parser::new(&text) {
            match event {
                Event::Start(Tag::Heading { level, .. }) => {
                    let (level, title) = (level as u8, String::new());
                    open = Some(Heading { level, title });
                }
                Event::End(TagEnd::Heading(_)) => headings.extend(open.take()),
                Event::Text(text) | Event::Code(text) => {
                    if let Some(heading) = &mut open {
                        heading.title.push_str(&text);
                    }
                }
                _ => {}
            }
        }
        headings
    }
}

fn options(extensions: Extensions) -> Options {
    let mut options = Options::empty();
    options.set(Options::ENABLE_TABLES, extensions.contains(Extensions::TABLES));
    options.set(Options::ENABLE_FOOTNOTES, extensions.contains(Extensions::FOOTNOTES));
    options.set(Options::ENABLE_STRIKETHROUGH, extensions.contains(Extensions::STRIKETHROUGH));
    options.set(Options::ENABLE_TASKLISTS, extensions.contains(Extensions::TASK_LISTS));
    options
}
