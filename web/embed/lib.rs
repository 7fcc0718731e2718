//! The files of the web app, as the build script made them: raw, and compressed where that is smaller. `gateway` serves
//! them; what is in them is the app's own matter (`web/src`).

/// A file.
#[derive(Debug)]
pub struct Asset {
    /// Its path on the server, with the slash before it.
    pub path: &'static str,
    /// Its content type.
    pub mime: &'static str,
    /// A strong entity tag, with its quotation marks.
    pub etag: &'static str,
    /// As it is.
    pub raw: &'static [u8],
    /// In brotli, where that is smaller.
    pub br: Option<&'static [u8]>,
    /// In gzip, where that is smaller.
    pub gz: Option<&'static [u8]>,
}

impl Asset {
    /// Whether its name has the hash of its content, so that it never changes.
    pub fn is_immutable(&self) -> bool {
        self.path.starts_with("/assets/")
    }
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The page that every route of the app begins with.
pub const INDEX: &str = "/index.html";

/// The file at a path.
pub fn find(path: &str) -> Option<&'static Asset> {
    let found = ASSETS.binary_search_by(|asset| asset.path.cmp(path)).ok()?;
    ASSETS.get(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_found_by_its_path_and_nothing_else_is() {
        assert!(ASSETS.is_sorted_by(|a, b| a.path < b.path));
        for asset in ASSETS {
            assert!(std::ptr::eq(find(asset.path).unwrap(), asset));
            assert!(asset.etag.starts_with('"') && asset.etag.ends_with('"'), "{}", asset.etag);
            assert!(asset.br.is_none_or(|br| br.len() < asset.raw.len()), "{}", asset.path);
        }
        assert!(find(INDEX).is_some_and(|index| index.mime.starts_with("text/html")));
        for path in ["", "/", "index.html", "/assets/", "/../Cargo.toml"] {
            assert!(find(path).is_none(), "{path}");
        }
    }
}
