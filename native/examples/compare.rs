//! Loads every file of a folder with the plain and with the vector code and says where they differ.
//!
//! For sanitizers, which Python cannot be run under as easily: `make sanitize-kernel`.

use std::{env, fs, process};

use quantlabel_native::jpeg::{Options, load, load_plain};
use quantlabel_native::taps::Method;

fn main() {
    let folder = env::args().nth(1).expect("expected a folder");
    let (mut files, mut taken, mut wrong) = (0, 0, 0);
    for entry in fs::read_dir(folder).expect("expected a folder that can be read") {
        let data = fs::read(entry.expect("an entry").path()).expect("a file that can be read");
        for (method, size, views, corners) in [
            (Method::Eval, 128, 1, false),
            (Method::Eval, 20, 4, true),
            (Method::Slim, 7, 4, false),
            (Method::StretchNearest, 32, 2, false),
        ] {
            let options =
                Options { size, method, views, max_pixels: 1_000_000, corners, colours: None };
            let fast = load(&data, &options);
            taken += usize::from(fast.is_ok());
            wrong += usize::from(fast != load_plain(&data, &options));
            files += 1;
        }
    }
    println!("{files} loads, {taken} taken, {wrong} differ");
    process::exit(i32::from(wrong > 0));
}
