//! What makes a proof a receipt: the entry itself, and its body, as the extra data of the proof.
//!
//! The extra data of a proof is not authenticated and needs not be: the tree commits to the entry, and the
//! entry to the body.

/// Why extra data is not a receipt.
const SHAPE: &str = "the extra data is an entry, or an entry, a line feed and its body";

/// An entry with its body. Canonical JSON holds no line feed, so one parts the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The bytes of the entry.
    pub entry: Vec<u8>,
    /// The bytes of the body; nothing when it is erased or shall not be shown.
    pub body: Option<Vec<u8>>,
}

impl Receipt {
    /// Returns the extra data of the proof.
    #[must_use]
    pub fn to_extra(&self) -> Vec<u8> {
        let mut extra = self.entry.clone();
        if let Some(body) = &self.body {
            extra.push(b'\n');
            extra.extend_from_slice(body);
        }
        extra
    }

    /// Reads the extra data of a proof.
    ///
    /// # Errors
    /// What is wrong, when it does not have the shape.
    pub fn parse(extra: &[u8]) -> Result<Self, &'static str> {
        let (entry, body) = match extra.iter().position(|byte| *byte == b'\n') {
            None => (extra, None),
            Some(end) => (&extra[..end], Some(&extra[end + 1..])),
        };
        if entry.is_empty() || body.is_some_and(<[u8]>::is_empty) {
            return Err(SHAPE);
        }
        Ok(Self { entry: entry.to_vec(), body: body.map(<[u8]>::to_vec) })
    }
}
