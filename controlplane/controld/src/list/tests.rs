use super::*;
use strowger_model::{ListEffect, NumberList, NumberSide};
use strowger_routing::{Rows, World};
use strowger_store::{Actor, ChangeFilter, Scope};

const LIST: NumberListId = NumberListId(7);

/// A data directory with a database and the lists of a world.
struct Place {
    dir: PathBuf,
    store: Store,
    world: World,
}

impl Place {
    async fn new(name: &str) -> Place {
        let name = format!("strowger-lists-{}-{name}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        let _former = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        let store = Store::open(&dir.join("a.db")).await.unwrap();
        let world = World::build(Rows { number_lists: vec![row(LIST)], ..Rows::default() });
        Place { dir, store, world: world.unwrap() }
    }

    fn open(&self) -> Lists {
        Lists::open(&self.dir, self.store.clone(), self.world.lists())
    }

    async fn change(&self, lists: &Lists, deed: ListDeed, text: &str) -> Result<ListSeen, String> {
        let file = self.dir.join("0.part");
        fs::write(&file, text).unwrap();
        let order = ListOrder {
            list: LIST,
            tenant: None,
            file,
            sha256: "aa".to_owned(),
            deed,
            actor: Actor::system("tester"),
            at_us: 5,
        };
        lists.clone().change(order).await.unwrap()
    }

    fn path(&self, kind: &str) -> PathBuf {
        file(&self.dir.join(DIR), LIST, kind)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.dir);
    }
}

fn row(id: NumberListId) -> NumberList {
    NumberList {
        id,
        tenant: None,
        account: None,
        trunk: None,
        name: "fraud".to_owned(),
        side: NumberSide::Called,
        effect: ListEffect::Deny,
        enabled: true,
    }
}

fn found(lists: &Lists, number: &str) -> Option<usize> {
    lists.seen(LIST, Some(Digits::parse(number).unwrap())).digits
}

#[tokio::test]
async fn entries_are_replaced_added_and_taken_away_and_found_by_the_next_life() {
    let place = Place::new("deeds").await;
    let lists = place.open();
    assert_eq!(lists.seen(LIST, None), ListSeen::default());
    let seen = place.change(&lists, ListDeed::Replace, "number\n4420\n49\n").await.unwrap();
    assert_eq!((seen.entries, seen.bytes, seen.changes), (2, 4 * 8, 0));
    let seen = place.change(&lists, ListDeed::Add, "33\n34\n").await.unwrap();
    assert_eq!((seen.entries, seen.changes), (4, 2));
    let seen = place.change(&lists, ListDeed::Remove, "49").await.unwrap();
    assert_eq!((seen.entries, seen.changes), (3, 3));
    for next in [&lists, &place.open()] {
        let all = ["4420", "4421", "491", "331"].map(|number| found(next, number));
        assert_eq!(all, [Some(4), None, None, Some(2)]);
        assert_eq!(next.now().len(), 1);
    }
    // Of lines that are wrong none is taken.
    let wrong = place.change(&lists, ListDeed::Replace, "1\n2x\n").await.unwrap_err();
    assert!(wrong.starts_with("line 2: "), "{wrong}");
    let none = place.change(&lists, ListDeed::Replace, "number\n\n").await.unwrap_err();
    assert_eq!(none, "has no entries");
    assert_eq!(place.open().seen(LIST, None).entries, 3);
    // A new image leaves the tail of the old one behind.
    place.change(&lists, ListDeed::Replace, "1\n").await.unwrap();
    assert_eq!((found(&place.open(), "331"), found(&place.open(), "12")), (None, Some(1)));
    let filter = ChangeFilter { limit: 10, ..ChangeFilter::default() };
    let log = place.store.reader().changes(Scope::All, &filter).await.unwrap();
    let deeds = log.iter().map(|entry| entry.after.clone().unwrap()["deed"].clone());
    assert_eq!(deeds.collect::<Vec<_>>(), ["replace", "remove", "add", "replace"]);
    assert_eq!(log[1].before.clone().unwrap()["entries"], 4);
}

#[tokio::test]
async fn more_changes_than_a_tail_holds_are_packed_into_a_new_image() {
    let place = Place::new("packed").await;
    let lists = place.open();
    place.change(&lists, ListDeed::Replace, "44\n").await.unwrap();
    let many: String = (0..CHANGES_MAX).map(|n| format!("7{n:09}\n")).collect();
    let seen = place.change(&lists, ListDeed::Add, &many).await.unwrap();
    assert_eq!(seen.changes, CHANGES_MAX as u64);
    assert_eq!(fs::metadata(place.path("tail")).unwrap().len(), TAIL_BYTES_MAX);
    let seen = place.change(&lists, ListDeed::Remove, "44\n").await.unwrap();
    assert_eq!((seen.changes, seen.entries), (0, CHANGES_MAX as u64));
    assert!(!place.path("tail").exists());
    let next = place.open();
    assert_eq!((found(&next, "44"), found(&next, "7000000009")), (None, Some(10)));
}

#[tokio::test]
async fn what_a_crash_left_counts_for_nothing_and_the_next_change_stands_behind_it() {
    let place = Place::new("crash").await;
    let lists = place.open();
    place.change(&lists, ListDeed::Replace, "44\n").await.unwrap();
    place.change(&lists, ListDeed::Add, "33\n").await.unwrap();
    // Half a change, an image without its place, and files of a list that is gone.
    let mut tail = fs::read(place.path("tail")).unwrap();
    tail.extend([1, 2, 3]);
    fs::write(place.path("tail"), tail).unwrap();
    fs::write(place.path("new"), b"half").unwrap();
    let theirs = file(&place.dir.join(DIR), NumberListId(9), "img");
    fs::copy(place.path("img"), &theirs).unwrap();
    let next = place.open();
    assert!(!place.path("new").exists() && !theirs.exists());
    assert_eq!(next.seen(LIST, None).entries, 2);
    place.change(&next, ListDeed::Add, "34\n").await.unwrap();
    assert_eq!(found(&place.open(), "341"), Some(2));
    // An image that was changed on the disk is said, kept, and not added to.
    let mut image = fs::read(place.path("img")).unwrap();
    *image.last_mut().unwrap() ^= 1;
    fs::write(place.path("img"), image).unwrap();
    let next = place.open();
    assert_eq!(next.seen(LIST, None).entries, 0);
    let wrong = place.change(&next, ListDeed::Add, "35\n").await.unwrap_err();
    assert!(wrong.contains("replace it"), "{wrong}");
    place.change(&next, ListDeed::Replace, "35\n").await.unwrap();
    assert_eq!(place.open().seen(LIST, None).entries, 1);
}

#[tokio::test]
async fn a_change_that_the_log_does_not_take_is_taken_back() {
    let place = Place::new("log").await;
    let lists = place.open();
    place.change(&lists, ListDeed::Replace, "44\n").await.unwrap();
    place.change(&lists, ListDeed::Add, "33\n").await.unwrap();
    place.store.close().await;
    for (deed, text) in [(ListDeed::Add, "34\n"), (ListDeed::Replace, "35\n")] {
        let file = place.dir.join("0.part");
        fs::write(&file, text).unwrap();
        let actor = Actor::system("tester");
        let (list, sha256) = (LIST, String::new());
        let order = ListOrder { list, tenant: None, file, sha256, deed, actor, at_us: 5 };
        assert!(lists.clone().change(order).await.is_err());
    }
    assert_eq!((lists.seen(LIST, None).entries, found(&lists, "34")), (2, None));
    let (numbers, _) = read(&place.dir.join(DIR), LIST).unwrap().unwrap();
    assert_eq!(numbers.len(), 2);
    assert!(!place.path("new").exists());
}

#[tokio::test]
async fn a_list_whose_row_is_gone_is_forgotten() {
    let place = Place::new("gone").await;
    let lists = place.open();
    place.change(&lists, ListDeed::Replace, "44\n").await.unwrap();
    let mut told = lists.watch();
    lists.forget(vec![LIST, NumberListId(8)]).await;
    assert!(told.has_changed().unwrap() && told.borrow_and_update().is_empty());
    assert!(!place.path("img").exists());
}
