//! Opening folders, good and bad.
