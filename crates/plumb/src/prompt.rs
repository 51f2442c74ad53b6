//! Asking a person for a secret on the terminal. Whichever way that ends, the terminal is left as it was found.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::thread;

use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task;

/// Where a person is asked, whatever standard input and output are.
const TERMINAL: &str = "/dev/tty";
/// Longest line that is read. Bytes; a terminal hands out no longer one (termios(3), canonical mode).
const LINE_BYTES_MAX: usize = 4_096;
/// A key that does nothing (`_POSIX_VDISABLE` of Linux).
const NO_KEY: u8 = 0;

/// Tells whether there is a terminal to ask on.
pub(crate) fn has_terminal() -> bool {
    open().is_ok()
}

fn open() -> io::Result<File> {
    File::options().read(true).write(true).open(TERMINAL)
}

/// Asks without showing what is typed; nothing when there is no terminal, no line comes, or `stopped` turns true.
///
/// For commands that run on several threads: signals are heard on another one than this, which waits.
pub(crate) fn secret(text: &str, stopped: &watch::Receiver<bool>) -> Option<SecretString> {
    if *stopped.borrow() {
        return None;
    }
    let mut stopped = stopped.clone();
    let mut asking = Asking::begin().ok()?;
    let reader = asking.terminal.try_clone().ok()?;
    asking.terminal.write_all(text.as_bytes()).ok()?;
    let (told, line) = oneshot::channel();
    // A read of a terminal cannot be given up. After a wish to stop it waits on, until the program ends.
    thread::spawn(move || told.send(read_line(reader)));
    let wait = async {
        tokio::select! {
            line = line => line.ok().and_then(Result::ok),
            // When nobody can wish to stop any more, only the line is left to wait for.
            Ok(_) = stopped.wait_for(|stopped| *stopped) => None,
        }
    };
    task::block_in_place(|| Handle::current().block_on(wait))
}

/// Reads one line, without its end. A terminal hands it out whole.
fn read_line(mut terminal: File) -> io::Result<SecretString> {
    let mut line = Zeroizing::new([0; LINE_BYTES_MAX]);
    let read = loop {
        match terminal.read(&mut line[..]) {
            // A signal that somebody else here hears.
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            read => break read?,
        }
    };
    if read == 0 {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
    }
    let text = std::str::from_utf8(&line[..read]).map_err(io::Error::other)?;
    Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])))
}

/// A terminal that shows nothing of what is typed, until this is dropped.
struct Asking {
    terminal: File,
    before: Termios,
}

impl Asking {
    fn begin() -> io::Result<Self> {
        let terminal = open()?;
        let before = tcgetattr(&terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        // Whole lines, whatever was set before.
        quiet.local_modes.insert(LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        quiet.input_modes.insert(InputModes::ICRNL);
        // The key that interrupts ends the question in order. These would end or stop the program in the middle of it.
        for key in [SpecialCodeIndex::VSUSP, SpecialCodeIndex::VQUIT] {
            quiet.special_codes[key] = NO_KEY;
        }
        let asking = Self { terminal, before };
        tcsetattr(&asking.terminal, OptionalActions::Now, &quiet)?;
        Ok(asking)
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        // A terminal that went away has no settings to bring back.
        let _gone = tcsetattr(&self.terminal, OptionalActions::Now, &self.before).is_err();
    }
}
