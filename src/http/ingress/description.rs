//! The ingresses in `/openapi.json`: the same table of paths that the router is made of, with what each door takes and
//! answers.

use super::routes;
use crate::conversation::model::Ingress;
use utoipa::openapi::path::{Operation, OperationBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, HttpMethod, OpenApi, Required, ResponseBuilder};

/// Adds the ingresses.
pub fn describe(description: &mut OpenApi) {
    let basic = SecurityScheme::Http(Http::new(HttpAuthScheme::Basic));
    description.components.get_or_insert_default().add_security_scheme(BASIC, basic);
    for (path, ingress) in routes::doors() {
        description.paths.add_path_operation(path, vec![HttpMethod::Post], of(ingress));
        if ingress == Ingress::Mandrill {
            for method in [HttpMethod::Get, HttpMethod::Head] {
                description.paths.add_path_operation(path, vec![method], check());
            }
        }
    }
}

fn of(ingress: Ingress) -> Operation {
    let Door { summary, media, is_basic } = door(ingress);
    let body = media.iter().fold(RequestBodyBuilder::new().required(Some(Required::True)), |body, media| {
        body.content(*media, Content::default())
    });
    let security = if is_basic { SecurityRequirement::new(BASIC, NO_SCOPES) } else { SecurityRequirement::default() };
    let operation = OperationBuilder::new().tag(TAG).summary(Some(summary)).request_body(Some(body.build()));
    answers(ingress).fold(operation.security(security), respond).build()
}

fn check() -> Operation {
    let operation = OperationBuilder::new().tag(TAG).summary(Some("Mandrill looks whether the URL is there"));
    let operation = operation.security(SecurityRequirement::default());
    [("200", "it is"), ("404", "no account has set this ingress up")].into_iter().fold(operation, respond).build()
}

fn respond(operation: OperationBuilder, (status, meaning): (&'static str, &'static str)) -> OperationBuilder {
    operation.response(status, ResponseBuilder::new().description(meaning).build())
}

struct Door {
    summary: &'static str,
    media: &'static [&'static str],
    is_basic: bool,
}

fn door(ingress: Ingress) -> Door {
    match ingress {
        Ingress::Postmark => Door {
            summary: "Mail from Postmark: RawEmail, OriginalRecipient",
            media: &["application/json", "application/x-www-form-urlencoded", "multipart/form-data"],
            is_basic: true,
        },
        Ingress::Sendgrid => Door {
            summary: "Mail from SendGrid's Inbound Parse: email, envelope",
            media: &["multipart/form-data", "application/x-www-form-urlencoded", "application/json"],
            is_basic: true,
        },
        Ingress::Mailgun => Door {
            summary: "Mail from a route of Mailgun: body-mime, recipient; proven by timestamp, token, signature",
            media: &["application/x-www-form-urlencoded", "multipart/form-data", "application/json"],
            is_basic: false,
        },
        Ingress::Mandrill => Door {
            summary: "Mail from Mandrill: mandrill_events; proven by the field X-Mandrill-Signature",
            media: &["application/x-www-form-urlencoded", "multipart/form-data"],
            is_basic: false,
        },
        Ingress::Relay | Ingress::Pipe | Ingress::Smtp | Ingress::Lmtp => {
            Door { summary: "A mail, from anything that can post", media: &["message/rfc822"], is_basic: true }
        }
    }
}

/// Statuses of Action Mailbox, and 408 and 413, which it has not.
fn answers(ingress: Ingress) -> impl Iterator<Item = (&'static str, &'static str)> {
    let taken = if ingress == Ingress::Mandrill { "200" } else { "204" };
    let relay = matches!(ingress, Ingress::Relay | Ingress::Pipe);
    let safe = (ingress == Ingress::Sendgrid)
        .then_some(("503", "what 400, 401, 408 or 413 would say, while safe_status is on: try again"));
    let all = [
        (taken, "the mail is safe on disk, or nobody here wants it"),
        if relay { ("415", "the body is no message/rfc822") } else { ("400", "a parameter is missing or blank") },
        ("401", "the credentials are wrong; nothing tells which part"),
        ("404", "no account has set this ingress up"),
        ("408", "the body comes too slowly"),
        ("413", "the mail, or the request, is too large"),
        ("422", "a parameter is no string, or there is no body"),
        ("500", "the secret cannot be read, or the store takes nothing now: try again"),
    ];
    all.into_iter().chain(safe)
}

const TAG: &str = "ingress";
const BASIC: &str = "ingress";
const NO_SCOPES: [&str; 0] = [];
