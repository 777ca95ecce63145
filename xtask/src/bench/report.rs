//! The bench's result, as an aligned table and as JSON.

use std::fmt;
use std::fs;

use serde::Serialize;

use super::cores::Cores;
use super::spread::Spread;

/// Everything that one run of the bench has to say
#[derive(Serialize)]
pub struct Report {
    machine: String,
    /// One for each thing measured
    pub sections: Vec<Section>,
}

/// One thing measured
#[derive(Serialize)]
pub struct Section {
    /// What was measured, and how
    pub title: String,
    /// Figures and ratios
    pub rows: Vec<Row>,
    /// What was not measured, and why
    pub notes: Vec<String>,
}

/// One line of the table
#[derive(Serialize)]
pub struct Row {
    /// Who
    pub subject: String,
    /// What, with its unit
    pub figure: String,
    /// The values
    #[serde(flatten)]
    pub spread: Spread,
    /// What it should be
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal: Option<Goal>,
}

/// What a row's median should be
#[derive(Serialize)]
pub struct Goal {
    /// The comparison, in words
    pub text: String,
    /// Whether this run's median meets it
    pub met: bool,
}

impl Report {
    /// An empty report about this machine
    pub fn new(cores: &Cores) -> Self {
        let mut machine = vec![cores.to_string()];
        // Neighbours' work is the first suspect when a run looks odd.
        if let Ok(load) = fs::read_to_string("/proc/loadavg") {
            let load: Vec<_> = load.split(' ').take(3).collect();
            machine.push(format!("load {} at the start", load.join(" ")));
        }
        if let Ok(kernel) = fs::read_to_string("/proc/sys/kernel/osrelease") {
            machine.push(format!("Linux {}", kernel.trim()));
        }
        Self {
            machine: machine.join(", "),
            sections: Vec::new(),
        }
    }
}

impl Section {
    /// A section without rows
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a row, unless there is nothing to show in it.
    pub fn row(&mut self, subject: &str, figure: &str, values: &[f64]) {
        self.push(subject, figure, values, None);
    }

    /// Adds a row whose median has to stay at or under a value.
    pub fn row_with_goal(&mut self, subject: &str, figure: &str, values: &[f64], at_most: f64) {
        self.push(subject, figure, values, Some(at_most));
    }

    fn push(&mut self, subject: &str, figure: &str, values: &[f64], at_most: Option<f64>) {
        let Some(spread) = Spread::of(values) else {
            return;
        };
        let goal = at_most.map(|at_most| Goal {
            text: format!("<= {at_most}"),
            met: spread.median <= at_most,
        });
        let (subject, figure) = (subject.to_owned(), figure.to_owned());
        self.rows.push(Row {
            subject,
            figure,
            spread,
            goal,
        });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.machine)?;
        self.sections
            .iter()
            .try_for_each(|section| write!(f, "\n{section}"))
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        let widest = |of: fn(&Row) -> &str| {
            self.rows
                .iter()
                .map(|row| of(row).chars().count())
                .max()
                .unwrap_or(0)
        };
        let subject = widest(|row| &row.subject);
        let figure = widest(|row| &row.figure);
        if !self.rows.is_empty() {
            let heads = ["min", "median", "max"]
                .map(|head| format!("{head:>11}"))
                .concat();
            writeln!(f, "  {:subject$}  {:figure$}{heads}", "", "")?;
        }
        for row in &self.rows {
            write!(
                f,
                "  {:subject$}  {:figure$}{}",
                row.subject, row.figure, row.spread
            )?;
            if let Some(goal) = &row.goal {
                let verdict = if goal.met { "met" } else { "MISSED" };
                write!(f, "  goal {}: {verdict}", goal.text)?;
            }
            writeln!(f)?;
        }
        self.notes
            .iter()
            .try_for_each(|note| writeln!(f, "  note: {note}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Section;

    #[test]
    fn rows_align_and_goals_are_judged_by_the_median() {
        let mut section = Section::new("requests");
        section.row("bare hyper", "CPU/request, µs", &[9.0, 8.5, 12.0]);
        section.row("holm", "requests/s", &[12345.6]);
        section.row("nobody", "nothing", &[]);
        section.row_with_goal("holm / wasmtime", "CPU", &[0.7, 0.75, 0.9], 0.8);
        section.notes.push("peer not built".to_owned());
        assert_eq!(
            section.to_string(),
            "\
requests
                                          min     median        max
  bare hyper       CPU/request, µs      8.500      9.000      12.00
  holm             requests/s           12346      12346      12346
  holm / wasmtime  CPU                  0.700      0.750      0.900  goal <= 0.8: met
  note: peer not built
"
        );
    }
}
