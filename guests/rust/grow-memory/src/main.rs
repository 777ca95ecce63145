//! Takes memory, a mebibyte at a time, and touches it: `grow-memory MIB` so much, `grow-memory` until the
//! host refuses (exit code 1).
fn main() {
    let wanted = std::env::args()
        .nth(1)
        .map(|n| n.parse().expect("a number of mebibytes"));
    let mut taken: usize = 0;
    while wanted.is_none_or(|wanted: usize| taken < wanted) {
        let mut piece: Vec<u8> = Vec::new();
        if piece.try_reserve_exact(1 << 20).is_err() {
            println!("refused after {taken} MiB");
            std::process::exit(1);
        }
        piece.resize(1 << 20, 1);
        std::hint::black_box(piece.leak());
        taken += 1;
    }
    println!("took {taken} MiB");
}
