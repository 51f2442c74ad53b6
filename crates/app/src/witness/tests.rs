//! Tests of what a witness keeps: durable, locked, never rolled back, refused when damaged (LED-33).
