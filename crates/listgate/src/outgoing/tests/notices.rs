//! Mail that Listgate writes itself is written when it leaves, with the token of what it is about.

use super::{Site, runtime, target};
use crate::model::{
    About, Effect, MemberAddress, NewNotice, NewRequest, NoticeContent, NoticeTo, RequestKind, RequestPhase,
    Step,
};
use listgate_engine::token::{Check, Day, Purpose};
use listgate_engine::view::View;
use listgate_test_support::smtp_server::{Manner, SmtpServer};
use listgate_test_support::until;
use std::time::{SystemTime, UNIX_EPOCH};

/// Stores a request of anne@example.org with the mail that asks for her confirmation. Returns its number.
async fn asked(site: &Site) -> i64 {
    let list = site.store.snapshot("mylist.example.com").await.unwrap().unwrap().number;
    let anne: MemberAddress = "anne@example.org".parse().unwrap();
    let request = NewRequest {
        list,
        kind: RequestKind::Join,
        phase: RequestPhase::Confirm,
        address: anne.clone(),
        name: None,
        confirmed: false,
    };
    let content = NoticeContent { list_name: "My List".to_owned(), ..NoticeContent::default() };
    let notice = NewNotice {
        list,
        to: NoticeTo::Address(anne),
        about: About::Asked,
        counted: true,
        template: "confirm-join",
        content: content.to_json(),
    };
    let step = Step::settling_nothing()
        .with(Effect::Ask(Box::new(request)))
        .and_then(|step| step.with(Effect::Notify(Box::new(notice))))
        .unwrap();
    let stepped = site.store.step(vec![step]).await.unwrap().remove(0).unwrap();
    stepped.asked.unwrap().0
}

#[test]
fn a_notice_has_a_token_for_its_request_and_bounces_come_back_for_it() {
    for null_sender in [false, true] {
        let site = Site::new(0);
        let server = SmtpServer::start(Manner::default());
        let request = runtime().block_on(asked(&site));
        let outgoing = site.send_to_with(target(&server), |settings| settings.null_sender = null_sender);
        until("the notice leaves", || server.taken().len() == 1);
        outgoing.stop();
        let taken = server.taken().remove(0);
        let view = View::whole(&taken.message);
        let subject = view.first("Subject").unwrap().decoded();
        assert_eq!(subject, "Please confirm that you want to join My List");
        let keys = runtime().block_on(site.store.keys()).unwrap();
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let claim = |address: &str, role: &str| {
            let token = address.strip_prefix(&format!("mylist-{role}+")).unwrap();
            let (token, _) = token.split_once('@').unwrap();
            match keys.check("mylist.example.com", token.as_bytes(), Day::of_seconds(seconds)) {
                Check::Valid { claim, .. } => (claim.purpose, claim.subject.id()),
                other => panic!("{address}: {other:?}"),
            }
        };
        let reply_to = view.addresses("Reply-To")[0].mailbox.clone().unwrap().to_string();
        assert_eq!(claim(&reply_to, "confirm"), (Purpose::Confirm, u64::try_from(request).unwrap()));
        if null_sender {
            assert_eq!(taken.mail_from, "");
        } else {
            assert_eq!(claim(&taken.mail_from, "bounces"), (Purpose::NoticeBounce, 1), "the post's number");
        }
        assert_eq!(view.first("Message-ID").unwrap().unfolded(), format!("<notice.1.{request}@example.com>"));
    }
}
