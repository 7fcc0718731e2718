//! Pulling from a hub that lies, leads astray or refuses, and onto a disk that is full: nothing half gets its place,
//! and the error names what is wrong.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use pomona_weights::hub::{Endpoint, Order, PullError, PullEvent, PullLimits, pull};

use crate::fake_hub::{FakeHub, Trick};
use crate::pull_kit::{PIECE, Site, files, limits};

/// A file system of this many bytes, where the system lets us make one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(bytes: usize) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={bytes}");
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder.path())
            .stderr(std::process::Stdio::null())
            .status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_hub_that_lies_about_sizes_is_refused() {
    for trick in [Trick::Total(9 * PIECE), Trick::Longer(5), Trick::Total(PIECE / 2)] {
        let site = Site::new(&files(PIECE)).await;
        site.hub.play("model.safetensors", trick.clone(), u32::MAX);
        let error = site.pull().await.unwrap_err();
        assert!(
            matches!(&error, PullError::Size { path, .. } if path == "model.safetensors"),
            "{trick:?}: {error}"
        );
        assert!(!site.place().exists());
    }
    for listed in [1_000, 3 * PIECE as u64] {
        let site = Site::new(&files(PIECE)).await;
        site.hub.list_size("model.safetensors", listed);
        let error = site.pull().await.unwrap_err();
        assert!(matches!(&error, PullError::Size { .. }), "{listed}: {error}");
        assert!(!site.place().exists());
    }
}

#[tokio::test]
async fn other_bytes_than_the_list_names_are_refused_by_both_hashes() {
    let files = files(PIECE);
    for (path, kind) in [("model.safetensors", "sha256:"), ("config.json", "git-sha1:")] {
        let site = Site::new(&files).await;
        site.hub.play(path, Trick::Flip, u32::MAX);
        let error = site.pull().await.unwrap_err();
        let PullError::Hash { path: named, wanted, got } = &error else { panic!("{error}") };
        assert!(named == path && wanted.starts_with(kind) && got.starts_with(kind) && wanted != got);
        assert!(!site.place().exists());
        site.hub.behave();
        site.pull().await.unwrap();
        assert!(site.is_whole(&files), "what was wrong is taken again");
    }
    let site = Site::new(&files).await;
    site.hub.play("model.safetensors", Trick::Flip, 1);
    site.pull().await.unwrap();
    assert!(site.is_whole(&files), "once may be the line's fault");
}

#[tokio::test]
async fn paths_that_leave_the_folder_are_refused_and_nothing_is_made() {
    for path in ["../model.safetensors", "/tmp/model.safetensors", "a/../../model.safetensors", "..\\x"] {
        let mut files = files(PIECE);
        files.push((path, b"x".to_vec()));
        let site = Site::new(&files).await;
        let error = site.pull().await.unwrap_err();
        assert!(matches!(error, PullError::Path { .. }), "{path}: {error}");
        assert_eq!(fs::read_dir(site.models.path()).unwrap().count(), 0);
    }
}

#[tokio::test]
async fn the_token_goes_to_the_hub_alone() {
    let files = files(PIECE);
    let site = Site::new(&files).await;
    let other = FakeHub::start(&files).await;
    let target = format!("{}/cdn/model.safetensors?signature=secret", other.url());
    site.hub.play("model.safetensors", Trick::Redirect(target), u32::MAX);
    // The other hub serves below /cdn/, where the name has its query.
    other.put("model.safetensors?signature=secret", files[2].1.clone());
    site.pull_as("owner/apple", Some("hf_sesame"), limits()).await.unwrap();
    assert!(site.is_whole(&files));
    assert!(site.hub.asked().iter().all(|asked| asked.authorization.as_deref() == Some("Bearer hf_sesame")));
    assert!(!other.asked().is_empty() && other.asked().iter().all(|asked| asked.authorization.is_none()));
}

#[tokio::test]
async fn a_redirect_out_of_our_network_has_to_be_encrypted_and_ends() {
    let site = Site::new(&files(PIECE)).await;
    site.hub.play("model.safetensors", Trick::Redirect("http://8.8.8.8/x?secret=1".to_owned()), u32::MAX);
    let error = site.pull().await.unwrap_err();
    assert!(matches!(&error, PullError::Redirect { to, .. } if to == "http://8.8.8.8"), "{error}");
    site.hub.behave();
    let again = format!("{}/owner/apple/resolve/x/model.safetensors", site.hub.url());
    site.hub.play("model.safetensors", Trick::Redirect(again), u32::MAX);
    assert!(matches!(site.pull().await, Err(PullError::Redirect { .. })));
}

#[tokio::test]
async fn what_the_hub_does_not_give_is_said_with_what_helps() {
    let site = Site::new(&files(PIECE)).await;
    site.hub.play("/api/", Trick::Code(403, "GatedRepo"), 1);
    let error = site.pull().await.unwrap_err();
    assert!(
        matches!(error, PullError::Denied { status: 403, .. }) && error.to_string().contains("terms"),
        "{error}"
    );
    site.hub.play("/api/", Trick::Code(404, "RevisionNotFound"), 1);
    let error = site.pull().await.unwrap_err().to_string();
    assert!(error.contains("HTTP 404: it is RevisionNotFound") && error.contains("HF_TOKEN"), "{error}");
}

#[tokio::test]
async fn what_is_no_model_does_not_get_its_place() {
    let index = br#"{"weight_map":{"a":"model-00002-of-00002.safetensors"}}"#.to_vec();
    for (path, content) in [
        ("model.safetensors.index.json", index),
        ("config.json", b"[]".to_vec()),
        ("model.safetensors", vec![255; 9000]),
    ] {
        let site = Site::new(&files(PIECE)).await;
        site.hub.put(path, content);
        let error = site.pull().await.unwrap_err();
        assert!(matches!(&error, PullError::Broken { problem } if problem.contains(path)), "{error}");
        assert!(!site.place().exists());
    }
}

#[tokio::test]
async fn a_disk_without_room_is_said_before_a_byte_comes() {
    let site = Site::new(&files(PIECE)).await;
    let error =
        site.pull_as("owner/apple", None, PullLimits { disk_reserve_bytes: 1 << 60, ..limits() }).await;
    assert!(matches!(error, Err(PullError::NoSpace { .. })), "{error:?}");
    assert_eq!(site.asked("resolve"), 0);
}

#[tokio::test]
async fn a_disk_that_fills_up_keeps_what_is_whole_and_goes_on_when_there_is_room() {
    let Some(disk) = SmallDisk::new(8 * PIECE) else {
        eprintln!("skipped: no file system of a chosen size can be mounted here");
        return;
    };
    let files = files(6 * PIECE);
    let site = Site::new(&files).await;
    let order =
        || Order { reference: "owner/apple".parse().unwrap(), pattern: None, model: None, into: None };
    // Nothing is in the way when the pull begins; then somebody else fills the disk.
    let ballast = disk.0.path().join("ballast");
    site.hub.play("model.safetensors", Trick::Slow(Duration::from_millis(5)), u32::MAX);
    let one = PullLimits { streams_max: 1, ..limits() };
    let (filled, events) = (ballast.clone(), Arc::clone(&site.events));
    let endpoint = Endpoint::new(&site.hub.url(), None).await.unwrap();
    let hear = Arc::new(move |event: PullEvent| {
        if matches!(event, PullEvent::Progress { bytes_done, .. } if bytes_done >= 2 * PIECE as u64)
            && !filled.exists()
        {
            fs::write(&filled, vec![1; 4 * PIECE]).unwrap();
        }
        events.lock().unwrap().push(event);
    });
    let error = pull(order(), endpoint, disk.0.path(), one.clone(), hear).await.unwrap_err();
    let PullError::DiskFull { bytes_missing, .. } = error else { panic!("{error}") };
    assert!(bytes_missing > 0 && bytes_missing <= 4 * PIECE as u64, "{bytes_missing}");
    fs::remove_file(&ballast).unwrap();
    let before = site.asked("model.safetensors");
    let pulled = site.order(order(), None, disk.0.path(), one).await.unwrap();
    assert_eq!(fs::read(pulled.folder.join("model.safetensors")).unwrap(), files[2].1);
    assert!(site.asked("model.safetensors") - before <= 4);
}
