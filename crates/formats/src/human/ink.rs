//! Colors as ANSI escape sequences (ECMA-48, section 8.3.117), or none at all.

/// What a text is set in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
    Cyan,
}

impl Ink {
    const fn parameters(self) -> &'static str {
        match self {
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Red => "1;31",
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Cyan => "36",
        }
    }
}

/// Colors text, when colors are wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pen {
    pub(super) color: bool,
}

impl Pen {
    /// Returns the text in an ink. The text must be clean already.
    pub(super) fn paint(self, ink: Ink, text: &str) -> String {
        if self.color { format!("\x1b[{}m{text}\x1b[0m", ink.parameters()) } else { text.to_owned() }
    }
}
