//! The token file of the example `shared_token`: who exchanges, who reads, and what must not be taken.

#[path = "../../d1-facade/examples/shared_token/token_file.rs"]
mod token_file;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use d1_facade::Error;
use d1_facade::auth::{AccessToken, TokenSource};
use d1_tests::{CARD, sandbox_builder, strict_sandbox};
use futures_util::future::join_all;
use token_file::TokenFile;

/// A source that takes a while and counts; its clones are one.
#[derive(Clone, Default)]
struct Source {
    fetches: Arc<AtomicUsize>,
    failing: Arc<AtomicBool>,
}

impl TokenSource for Source {
    async fn fetch(&self) -> Result<AccessToken, Error> {
        let n = self.fetches.fetch_add(1, Ordering::SeqCst) + 1;
        // Others come meanwhile.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        if self.failing.load(Ordering::SeqCst) {
            return Err(Error::token_unavailable(std::io::Error::other("down")));
        }
        Ok(AccessToken::new(format!("token-{n}"), Duration::from_secs(900)).unwrap())
    }
}

impl Source {
    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

/// An empty folder, by the name of the test.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join("shared-token")
        .join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// So many processes with one file, were they processes.
fn instances<const N: usize>(name: &str) -> (PathBuf, Source, [TokenFile<Source>; N]) {
    let (folder, source) = (folder(name), Source::default());
    let all = std::array::from_fn(|_| TokenFile::new(&folder, source.clone()));
    (folder, source, all)
}

/// Puts a token into the file that was asked for and ends this number of seconds from now.
fn store(folder: &Path, token: &str, asked: i64, ends: i64, mode: u32) {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis();
    let at = |seconds: i64| i64::try_from(now).unwrap() + seconds * 1000;
    let path = folder.join("token");
    fs::write(&path, format!("{}\n{}\n{token}\n", at(asked), at(ends))).unwrap();
    permit(&path, mode);
}

#[cfg(unix)]
fn permit(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
fn permit(_: &Path, _: u32) {}

#[tokio::test(start_paused = true)]
async fn one_of_many_exchanges_and_the_others_read() {
    let (folder, source, all) = instances::<50>("many");
    let tokens = join_all(all.iter().map(TokenSource::fetch)).await;
    assert!(
        tokens
            .iter()
            .all(|t| t.as_ref().is_ok_and(|t| t.is("token-1")))
    );
    assert_eq!(source.fetches(), 1);
    assert!(!folder.join("token.new").exists());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(folder.join("token"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_exchange_is_shared_with_nobody_and_blocks_nobody() {
    let (_, source, [one, other]) = instances("failed");
    source.failing.store(true, Ordering::SeqCst);
    assert!(one.fetch().await.is_err());
    source.failing.store(false, Ordering::SeqCst);
    assert!(other.fetch().await.unwrap().is("token-2"));
    // One that is given up half-way neither.
    let (_, source, [one, other]) = instances("given-up");
    let mut given_up = Box::pin(one.fetch());
    assert!(futures_util::FutureExt::now_or_never(&mut given_up).is_none());
    drop(given_up);
    assert!(other.fetch().await.unwrap().is("token-2"));
    assert_eq!(source.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_taken_with_what_it_has_left_where_that_is_enough() {
    let (folder, source, [instance]) = instances("left");
    for (asked, ends, taken) in [
        (-700, 200, true),
        // 120 seconds are enough; a slow machine may take some of the others.
        (-720, 180, true),
        (-785, 115, false),
        (-901, -1, false),
        // A third of a short life is enough.
        (-60, 90, true),
        (-200, 90, false),
        // The clock was set back meanwhile.
        (100, 1000, false),
    ] {
        store(&folder, "stored", asked, ends, 0o600);
        let before = source.fetches();
        let token = instance.fetch().await.unwrap();
        assert_eq!(token.is("stored"), taken, "{asked} {ends}");
        assert_eq!(source.fetches() == before, taken);
        if taken {
            let ends = Duration::from_secs(ends.unsigned_abs());
            assert!(token.lifetime() <= ends && token.lifetime() > ends / 2);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_token_file_is_replaced() {
    let (folder, source, [instance]) = instances("broken");
    for (n, text) in ["", "1\n", "x\ny\nz\n", "0\n99999999999999\n\n", "\u{e9}"]
        .iter()
        .enumerate()
    {
        fs::write(folder.join("token"), text).unwrap();
        permit(&folder.join("token"), 0o600);
        assert!(instance.fetch().await.is_ok());
        assert_eq!(source.fetches(), n + 1, "{text:?}");
    }
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_token_that_others_could_have_put_there_is_not_taken() {
    let (folder, _, [instance]) = instances("open");
    store(&folder, "stored", -100, 800, 0o644);
    assert!(instance.fetch().await.unwrap().is("token-1"));
    let elsewhere = folder.join("elsewhere");
    fs::rename(folder.join("token"), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, folder.join("token")).unwrap();
    assert!(instance.fetch().await.unwrap().is("token-2"));
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_taken_by_nobody_again() {
    let (folder, source, [one, other]) = instances("refused");
    let first = one.fetch().await.unwrap();
    one.invalidate(&first);
    assert!(!folder.join("token").exists());
    assert!(other.fetch().await.unwrap().is("token-2"));
    // The late word of the first one harms the second one in nothing.
    other.invalidate(&first);
    assert!(one.fetch().await.unwrap().is("token-2"));
    // Not even where the file could not be removed.
    store(&folder, "token-1", -100, 800, 0o600);
    assert!(one.fetch().await.unwrap().is("token-3"));
    assert_eq!(source.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_holder_of_the_lock_that_does_nothing_is_not_waited_for_for_ever() {
    let (folder, source, [instance]) = instances("stuck");
    let stuck = File::create(folder.join("token.lock")).unwrap();
    stuck.lock().unwrap();
    let asked = tokio::time::Instant::now();
    assert!(instance.fetch().await.unwrap().is("token-1"));
    assert!(
        (10..11).contains(&asked.elapsed().as_secs()),
        "{:?}",
        asked.elapsed()
    );
    assert!(
        !folder.join("token").exists(),
        "only who has the lock writes"
    );
    drop(stuck);
    assert!(instance.fetch().await.unwrap().is("token-2"));
    assert!(instance.fetch().await.unwrap().is("token-2"));
    assert_eq!(source.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn without_a_place_for_the_file_each_exchanges() {
    let source = Source::default();
    let nowhere = TokenFile::new(folder("nowhere").join("not/there"), source.clone());
    assert!(nowhere.fetch().await.is_ok() && nowhere.fetch().await.is_ok());
    assert_eq!(source.fetches(), 2);
}

/// The test below starts this one as a process of its own, which locks the file and stays.
#[test]
fn holder_of_the_lock() {
    let Some(folder) = std::env::var_os("D1_TEST_LOCK_IN") else {
        return;
    };
    let file = File::create(PathBuf::from(folder).join("token.lock")).unwrap();
    file.lock().unwrap();
    #[allow(clippy::print_stdout)]
    {
        println!("\nlocked");
    }
    let _ = std::io::stdin().read_exact(&mut [0]);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_with_the_lock_blocks_nobody() {
    let (folder, source, [instance]) = instances("crash");
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "shared_token::holder_of_the_lock", "--nocapture"])
        .env("D1_TEST_LOCK_IN", &folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(holder.stdout.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap() == "locked"));
    let ours = File::open(folder.join("token.lock")).unwrap();
    assert!(ours.try_lock().is_err(), "it has the lock");
    holder.kill().unwrap();
    holder.wait().unwrap();
    let asked = tokio::time::Instant::now();
    assert!(instance.fetch().await.is_ok());
    assert_eq!(asked.elapsed(), Duration::ZERO);
    assert!(folder.join("token").exists());
    assert_eq!(source.fetches(), 1);
}

#[tokio::test]
async fn clients_of_a_sandbox_share_a_token_around_their_own_exchange() {
    let sandbox = strict_sandbox().await;
    let folder = folder("sandbox");
    let card = || {
        let folder = folder.clone();
        let host = sandbox.base_url().to_owned();
        let builder = sandbox_builder(&sandbox).wrap_token_source(move |exchange| {
            let shown = format!("{exchange:?}");
            assert!(
                shown.contains(&host) && !shown.contains("PRIVATE"),
                "{shown}"
            );
            TokenFile::new(folder, exchange)
        });
        builder.build().unwrap().card(CARD.parse().unwrap())
    };
    let (one, other) = (card(), card());
    let both = async || {
        one.operations().await.unwrap();
        other.operations().await.unwrap();
    };
    both().await;
    assert_eq!(sandbox.token_exchanges(), 1);
    // Each of them is refused once; the second one takes what the first one has put there.
    sandbox.revoke_tokens();
    both().await;
    assert_eq!(sandbox.token_exchanges(), 2);
}
