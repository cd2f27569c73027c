//! Our own spec with one edit each: what is told of it, and how it exits.

use crate::{diff, edited, line};

const BREAKS: &str = "breaks callers";
const WIDENS: &str = "only widens";
const CLOSES: &str = "closes an open question";

/// An edit, and what is told of it.
struct Case {
    /// The text from which on the edit is looked for.
    after: &'static str,
    from: &'static str,
    to: &'static str,
    class: &'static str,
    title: &'static str,
    says: &'static str,
    /// The line to edit: the first that has this text after `after`.
    at: &'static str,
}

fn check(case: &Case, question: Option<&str>, why: &str) {
    let run = diff(&edited(case.after, case.from, case.to));
    let told = run.only();
    assert_eq!(run.code, 1, "{}", run.out);
    assert_eq!(
        (told.class.as_str(), told.title.as_str(), told.says.as_str()),
        (case.class, case.title, case.says)
    );
    assert_eq!(told.question.as_deref(), question);
    assert!(told.why.contains(why), "no `{why}` in `{}`", told.why);
    assert_eq!(told.line, line(case.after, case.at), "{}", run.out);
}

macro_rules! cases {
    ($($name:ident: $class:ident $after:literal, $from:literal => $to:literal,
        $title:literal, $says:literal, at $at:literal, why $why:literal $(, question $question:literal)?;)*) => {
        $(#[test]
        fn $name() {
            let case = Case {
                after: $after,
                from: $from,
                to: $to,
                class: $class,
                title: $title,
                says: $says,
                at: $at,
            };
            check(&case, None$(.or(Some($question)))?, $why);
        })*
    };
}

// What is sent.
cases! {
    a_required_field_of_a_request_breaks: BREAKS
        "    RenewRequest:", "      properties:" => "      required: [encryptedData]\n      properties:",
        "`POST /…/operations:renew request.encryptedData`: required", "ours `optional`, theirs `required`",
        at "encryptedData:", why "the client may leave it out";
    a_new_required_field_of_a_request_breaks: BREAKS
        "    CardOperationRequest:\n      type", "      properties:" => "      required: [ticket]\n      properties:",
        "`POST /…/operations:suspend request`: new field", "ours -, theirs `ticket`",
        at "properties:", why "the client does not send it";
    a_new_optional_field_of_a_request_widens: WIDENS
        "    CardOperationRequest:\n      type", "      properties:" => "      properties:\n        ticket: {type: string}",
        "`POST /…/operations:suspend request`: new field", "ours -, theirs `ticket`",
        at "properties:", why "it may be left out";
    a_field_that_a_request_lacks_breaks: BREAKS
        "    CardOperationRequest:\n      type", "        reason:\n          $ref: \"#/components/schemas/Reason\"\n" => "",
        "`POST /…/operations:suspend request.reason`: name", "ours `reason`, theirs does not have it",
        at "reason:", why "it may";
    a_field_that_is_required_no_more_widens: WIDENS
        "    TokenRequest:", "required: [grant_type, assertion]" => "required: [assertion]",
        "`POST /…/token request.grant_type`: required", "ours `required`, theirs `optional`",
        at "grant_type:\n", why "it may be left out";
    a_value_that_a_request_may_not_have_breaks: BREAKS
        "    CardState:", "[ACTIVE, INACTIVE]" => "[ACTIVE]",
        "`POST /…/operations:renew request.state`: values", "ours `INACTIVE`, theirs does not have it",
        at "x-extensible-enum", why "D1 refuses a value";
    a_value_more_for_a_request_widens: WIDENS
        "    CardState:", "[ACTIVE, INACTIVE]" => "[ACTIVE, BLOCKED, INACTIVE]",
        "`POST /…/operations:renew request.state`: values", "ours does not have it, theirs `BLOCKED`",
        at "x-extensible-enum", why "passes it on";
    a_value_that_the_client_always_sends_widens: WIDENS
        "    TokenRequest:", "          x-d1-default: urn:" => "          enum: ['urn:ietf:params:oauth:grant-type:jwt-bearer']\n          x-d1-default: urn:",
        "`POST /…/token request.grant_type`: values", "ours lists none, theirs `urn:ietf:params:oauth:grant-type:jwt-bearer`",
        at "grant_type:\n", why "what the client sends is among them";
    a_narrower_pattern_of_a_request_breaks: BREAKS
        "    Reason:", "[a-zA-Z0-9 ]" => "[a-zA-Z ]",
        "`POST /…/operations:suspend request.reason`: pattern", "ours `^[a-zA-Z0-9 ]{1,64}$`, theirs `^[a-zA-Z ]{1,64}$`",
        at "pattern:", why "D1 refuses some";
    a_laxer_pattern_of_a_request_widens: WIDENS
        "    Reason:", "[a-zA-Z0-9 ]" => "[a-zA-Z0-9 .]",
        "`POST /…/operations:suspend request.reason`: pattern", "ours `^[a-zA-Z0-9 ]{1,64}$`, theirs `^[a-zA-Z0-9 .]{1,64}$`",
        at "pattern:", why "D1 takes more";
    a_pattern_without_anchors_widens: WIDENS
        "    Reason:", "^[a-zA-Z0-9 ]{1,64}$" => "[a-zA-Z0-9 ]{1,64}",
        "`POST /…/operations:suspend request.reason`: pattern", "ours `^[a-zA-Z0-9 ]{1,64}$`, theirs `[a-zA-Z0-9 ]{1,64}`",
        at "pattern:", why "D1 takes more";
    a_pattern_that_is_not_understood_may_break: BREAKS
        "    Reason:", "^[a-zA-Z0-9 ]{1,64}$" => "^([a-z]+ ?)+$",
        "`POST /…/operations:suspend request.reason`: pattern", "ours `^[a-zA-Z0-9 ]{1,64}$`, theirs `^([a-z]+ ?)+$`",
        at "pattern:", why "it may: which of the two";
    a_shorter_text_of_a_request_breaks: BREAKS
        "    Reason:", "maxLength: 64" => "maxLength: 40",
        "`POST /…/operations:suspend request.reason`: maxLength", "ours `64`, theirs `40`",
        at "maxLength:", why "D1 refuses some";
    a_format_of_a_request_may_break: BREAKS
        "    Reason:", "type: string" => "type: string\n      format: uuid",
        "`POST /…/operations:suspend request.reason`: format", "ours -, theirs `uuid`",
        at "Reason:", why "D1 refuses some";
    null_in_a_request_widens: WIDENS
        "    Reason:", "type: string" => "type: string\n      nullable: true",
        "`POST /…/operations:suspend request.reason`: nullable", "ours `not nullable`, theirs `nullable`",
        at "Reason:", why "D1 takes more";
    another_type_of_a_request_breaks: BREAKS
        "    CardState:", "type: string" => "type: boolean",
        "`POST /…/operations:renew request.state`: type", "ours `string`, theirs `boolean`",
        at "CardState:", why "the type is another";
    a_closed_request_may_break: BREAKS
        "    CardOperationRequest:\n      type", "additionalProperties: {}" => "additionalProperties: false",
        "`POST /…/operations:suspend request`: other fields", "ours `any`, theirs `none`",
        at "additionalProperties", why "it may: a field that a caller adds";
    a_body_that_may_be_absent_widens: WIDENS
        "  requestBodies:", "      required: true\n" => "",
        "`POST /…/operations:suspend request`: required", "ours `required`, theirs `optional`",
        at "CardOperationRequest:", why "it may be left out";
    a_media_type_more_widens: WIDENS
        "operationId: getToken", "application/x-www-form-urlencoded:" => "application/json: {}\n          application/x-www-form-urlencoded:",
        "`POST /…/token request`: new media type", "ours -, theirs `application/json`",
        at "content:", why "the client goes on";
    no_body_breaks: BREAKS
        "operationId: renewCard", "requestBody:" => "x-was-the-body:",
        "`POST /…/operations:renew request`: body", "ours a body, theirs none",
        at "requestBody:", why "D1 does not take";
}

// What is answered.
cases! {
    a_field_that_an_answer_may_lack_breaks: BREAKS
        "    CardOperation:", "[operationId, operation, status, startTime, requestorType, requestorId]" => "[operationId, operation, status, startTime, requestorType]",
        "`GET /…/operations/{operationId} response 200.requestorId`: required", "ours `required`, theirs `optional`",
        at "requestorId:\n", why "cannot read an answer without it";
    a_field_that_is_always_there_widens: WIDENS
        "    CardOperation:", "[operationId," => "[endTime, operationId,",
        "`GET /…/operations/{operationId} response 200.endTime`: required", "ours `optional`, theirs `required`",
        at "endTime:", why "it is always there";
    a_new_field_of_an_answer_widens: WIDENS
        "    TokenResponse:", "      properties:" => "      properties:\n        id_token: {type: string}",
        "`POST /…/token response 200`: new field", "ours -, theirs `id_token`",
        at "properties:", why "among unknown fields";
    a_field_that_an_answer_lacks_breaks: BREAKS
        "    TokenResponse:", "        scope:\n          type: string\n          description: What the token allows, separated by spaces.\n          example: d1-api:account:full d1-api:consumer:read\n" => "",
        "`POST /…/token response 200.scope`: name", "ours `scope`, theirs does not have it",
        at "scope:", why "who reads it finds nothing";
    another_type_of_an_answer_breaks: BREAKS
        "    TokenResponse:", "          type: number\n          format: double" => "          type: string\n          format: double",
        "`POST /…/token response 200.expires_in`: type", "ours `number`, theirs `string`",
        at "expires_in:", why "the type is another";
    an_integer_for_a_number_widens: WIDENS
        "    TokenResponse:", "          type: number\n" => "          type: integer\n",
        "`POST /…/token response 200.expires_in`: type", "ours `number`, theirs `integer`",
        at "expires_in:", why "D1 promises more";
    null_in_a_required_field_breaks: BREAKS
        "    CardOperation:", "        requestorId:\n          type: string" => "        requestorId:\n          nullable: true\n          type: string",
        "`GET /…/operations/{operationId} response 200.requestorId`: nullable", "ours `not nullable`, theirs `nullable`",
        at "requestorId:\n", why "refuses some of what D1 may send";
    null_in_an_optional_field_widens: WIDENS
        "    TokenResponse:", "        scope:" => "        scope:\n          nullable: true",
        "`POST /…/token response 200.scope`: nullable", "ours `not nullable`, theirs `nullable`",
        at "scope:", why "null as absent";
    a_new_value_of_an_answer_widens: WIDENS
        "    OperationStatus:", "[SUCCESSFUL," => "[ABORTED, SUCCESSFUL,",
        "`GET /…/operations response 200.operations[].status`: values", "ours does not have it, theirs `ABORTED`",
        at "x-extensible-enum", why "the list is open";
    a_value_that_is_answered_no_more_widens: WIDENS
        "    OperationType:", "        - ACTIVATE\n" => "",
        "`GET /…/operations response 200.operations[].operation`: values", "ours `ACTIVATE`, theirs does not have it",
        at "- ACTIVATE", why "D1 does not send it";
    a_pattern_of_an_answer_widens: WIDENS
        "    TokenResponse:", "        scope:" => "        scope:\n          pattern: \"^[a-z]+$\"",
        "`POST /…/token response 200.scope`: pattern", "ours -, theirs `^[a-z]+$`",
        at "scope:", why "D1 promises more";
    a_format_that_says_the_size_of_a_number_widens: WIDENS
        "    TokenResponse:", "          format: double\n" => "",
        "`POST /…/token response 200.expires_in`: format", "ours `double`, theirs -",
        at "format: double", why "the same or not said";
    a_closed_answer_widens: WIDENS
        "    TokenResponse:", "additionalProperties: {}" => "additionalProperties: false",
        "`POST /…/token response 200`: other fields", "ours `any`, theirs `none`",
        at "additionalProperties", why "D1 promises more";
    a_new_error_status_widens: WIDENS
        "operationId: getToken", "        \"400\":" => "        \"429\": {description: Too many.}\n        \"400\":",
        "`POST /…/token response 429`: new status", "ours -, theirs `429`",
        at "responses:", why "any error is passed on";
    an_error_status_that_is_gone_widens: WIDENS
        "operationId: suspendCard", "        \"404\":\n          $ref: \"#/components/responses/CardNotFound\"\n" => "",
        "`POST /…/operations:suspend response 404`: status", "ours `404`, theirs does not have it",
        at "\"404\":", why "does not say that it answers so";
    an_error_range_widens: WIDENS
        "operationId: getToken", "        \"400\":" => "        4XX:",
        "`POST /…/token response 400`: status", "ours `400`, theirs `4XX`",
        at "\"400\":", why "any error is passed on";
    the_default_answer_stands_for_an_error: WIDENS
        "operationId: getToken", "        \"400\":" => "        default:",
        "`POST /…/token response 400`: status", "ours `400`, theirs `default`",
        at "\"400\":", why "any error is passed on";
    a_success_range_may_break: BREAKS
        "operationId: getToken", "        \"200\":" => "        2XX:",
        "`POST /…/token response 200`: status", "ours `200`, theirs `2XX`",
        at "\"200\":", why "it may: the client takes this one status";
    a_second_success_breaks: BREAKS
        "operationId: getToken", "        \"400\":" => "        \"202\": {description: Later.}\n        \"400\":",
        "`POST /…/token response 202`: new status", "ours -, theirs `202`",
        at "responses:", why "takes an unknown success for an error";
    a_header_of_an_answer_widens: WIDENS
        "operationId: getToken", "        \"400\":\n" => "        \"400\":\n          headers: {Retry-After: {schema: {type: integer}}}\n",
        "`POST /…/token response 400`: new header", "ours -, theirs `retry-after`",
        at "\"400\":", why "nobody reads it yet";
    an_answer_without_a_body_breaks: BREAKS
        "operationId: getToken", "          content:\n            application/json:" => "          x-content:\n            application/json:",
        "`POST /…/token response 200`: body", "ours a body, theirs none",
        at "          content:\n            application/json:", why "the client reads a body";
}

// Parameters and operations.
cases! {
    a_parameter_that_is_required_breaks: BREAKS
        "operationId: getToken", "          required: false" => "          required: true",
        "`POST /…/token parameter x-correlation-id`: required", "ours `optional`, theirs `required`",
        at "- name: x-correlation-id", why "the client may leave it out";
    a_parameter_that_is_gone_may_break: BREAKS
        "operationId: resumeCard", "        - $ref: \"#/components/parameters/CardCorrelationId\"\n" => "",
        "`POST /…/operations:resume parameter x-correlation-id`: name", "ours `x-correlation-id in header`, theirs does not have it",
        at "    CardCorrelationId:\n      name", why "it may: D1 does not know";
    a_parameter_elsewhere_breaks: BREAKS
        "operationId: getToken", "          in: header" => "          in: query",
        "`POST /…/token parameter x-correlation-id`: name", "ours `x-correlation-id in header`, theirs `x-correlation-id in query`",
        at "- name: x-correlation-id", why "it is looked for elsewhere";
    a_new_optional_parameter_widens: WIDENS
        "operationId: getToken", "      parameters:" => "      parameters:\n        - {name: trace, in: query, schema: {type: string}}",
        "`POST /…/token parameter trace`: new parameter", "ours -, theirs `trace in query`",
        at "parameters:", why "it may be left out";
    a_new_required_parameter_breaks: BREAKS
        "operationId: getToken", "      parameters:" => "      parameters:\n        - {name: x-api-key, in: header, required: true, schema: {type: string}}",
        "`POST /…/token parameter x-api-key`: new parameter", "ours -, theirs `x-api-key in header`",
        at "parameters:", why "the client does not send it";
    another_style_of_a_parameter_breaks: BREAKS
        "operationId: getToken", "          in: header" => "          in: header\n          style: matrix",
        "`POST /…/token parameter x-correlation-id`: style", "ours `simple`, theirs `matrix`",
        at "- name: x-correlation-id", why "read in another way";
    another_documented_default_breaks: BREAKS
        "operationId: listOperations", "default: 0" => "default: 5",
        "`GET /…/operations parameter offset`: default", "ours `0`, theirs `5`",
        at "default: 0", why "something else holds";
    a_default_that_is_not_said_may_break: BREAKS
        "operationId: listOperations", "            default: 0\n" => "",
        "`GET /…/operations parameter offset`: default", "ours `0`, theirs -",
        at "default: 0", why "it may";
    a_path_that_is_gone_breaks: BREAKS
        "paths:", "  /banking/v1/issuers/{issuerId}/cards/{cardId}/operations:delete:" => "  x-was:",
        "`POST /…/operations:delete`: operation",
        "ours `/banking/v1/issuers/{issuerId}/cards/{cardId}/operations:delete`, theirs has no such path",
        at "post:\n      tags: [Operations]\n      operationId: deleteCard", why "every call of it fails";
    a_new_operation_widens: WIDENS
        "paths:", "paths:\n" => "paths:\n  /banking/v1/issuers/{i}/cards/{c}/operations:replace:\n    post: {operationId: replaceCard, responses: {}}\n",
        "`POST /banking/v1/issuers/{i}/cards/{c}/operations:replace`: new operation", "ours -, theirs `replaceCard`",
        at "paths:", why "the client does not have it";
}

// The open questions of SOURCES.md, and the facts that it marks.
cases! {
    a_reason_code_more_closes: CLOSES
        "    ReasonCode:", "        - CARD_LOST\n" => "        - CARD_LOST\n        - CARD_EATEN\n",
        "`POST /…/operations:suspend request.reasonCode`: values", "ours does not have it, theirs `CARD_EATEN`",
        at "x-extensible-enum:", why "only widens", question "reason codes of V1 cards";
    a_reason_code_less_closes: CLOSES
        "    ReasonCode:", "        - FRAUD\n" => "",
        "`POST /…/operations:suspend request.reasonCode`: values", "ours `FRAUD`, theirs does not have it",
        at "- FRAUD", why "breaks callers", question "reason codes of V1 cards";
    the_success_status_closes: CLOSES
        "operationId: suspendCard", "        2XX:" => "        \"204\":",
        "`POST /…/operations:suspend response 2XX`: status", "ours `2XX`, theirs `204`",
        at "2XX:", why "only widens", question "success status of the POSTs";
    the_success_body_closes: CLOSES
        "    CardOperationAccepted:", "      content:" => "      x-content:",
        "`POST /…/operations:suspend response 2XX`: body", "ours a body, theirs none",
        at "content:", why "only widens", question "success body of the POSTs";
    a_field_of_the_success_closes: CLOSES
        "    CardOperationResult:", "      properties:" => "      properties:\n        cardId: {type: string}",
        "`POST /…/operations:suspend response 2XX`: new field", "ours -, theirs `cardId`",
        at "properties:", why "only widens", question "success body of the POSTs";
    new_card_state_closes: CLOSES
        "    RenewRequest:", "        state:" => "        newCardState:",
        "`POST /…/operations:renew request.state`: name", "ours `state`, theirs `newCardState`",
        at "state:", why "breaks callers: D1 does not know ours", question "`state` or `newCardState`";
    the_flag_by_another_name_closes: CLOSES
        "operationId: getOperation", "- name: digitalCardDetails" => "- name: withDigitalCard",
        "`GET /…/operations/{operationId} parameter digitalCardDetails`: name", "ours `digitalCardDetails in query`, theirs `withDigitalCard in query`",
        at "- name: digitalCardDetails", why "breaks callers", question "the name of the digital-card flag";
    a_field_of_an_operation_by_another_name_closes: CLOSES
        "    CardOperation:", "        reasonCode:" => "        operationReasonCode:",
        "`GET /…/operations/{operationId} response 200.reasonCode`: name", "ours `reasonCode`, theirs `operationReasonCode`",
        at "reasonCode:", why "breaks callers", question "fields of an operation after `requestorId`";
    a_field_of_an_operation_more_closes: CLOSES
        "    CardOperationListItem:", "      properties:" => "      properties:\n        channel: {type: string}",
        "`GET /…/operations response 200.operations[]`: new field", "ours -, theirs `channel`",
        at "properties:", why "only widens", question "fields of an operation after `requestorId`";
    the_bound_of_limit_closes: CLOSES
        "operationId: listOperations", "maximum: 50" => "maximum: 25",
        "`GET /…/operations parameter limit`: maximum", "ours `50`, theirs `25`",
        at "maximum: 50", why "breaks callers", question "the bounds of `limit`";
    a_claim_closes: CLOSES
        "    AssertionClaims:", "      properties:" => "      properties:\n        nbf: {type: integer}",
        "`schema AssertionClaims`: new field", "ours -, theirs `nbf`",
        at "properties:", why "only widens", question "claims after `aud`";
    the_characters_of_the_issuer_id_are_marked: CLOSES
        "    IssuerId:\n      type", "[A-Za-z0-9_-]" => "[A-Z0-9_-]",
        "`POST /…/operations:suspend parameter issuerId`: pattern", "ours `^[A-Za-z0-9_-]{10}$`, theirs `^[A-Z0-9_-]{10}$`",
        at "pattern:", why "breaks callers", question "the set of characters of `issuerId` (not documented)";
    that_the_new_card_id_may_be_absent_is_marked: CLOSES
        "    RenewRequest:", "      properties:" => "      required: [newCardId]\n      properties:",
        "`POST /…/operations:renew request.newCardId`: required", "ours `optional`, theirs `required`",
        at "newCardId:", why "breaks callers", question "whether `newCardId` may be absent (not documented)";
    how_times_are_written_is_marked: CLOSES
        "    Timestamp:", "type: string" => "type: string\n      format: date-time",
        "`GET /…/operations response 200.operations[].startTime`: format", "ours -, theirs `date-time`",
        at "Timestamp:", why "only widens", question "how times are written (not documented)";
}

#[test]
fn the_codes_of_errors_are_open_but_for_those_of_404() {
    let text = edited(
        "    ErrorBody:",
        "          example: UNKNOWN_CARD",
        "          enum: [UNKNOWN_CARD, NOT_ACTIVE]",
    );
    let run = diff(&text);
    let told = run.told();
    let of = |class: &str| told.iter().filter(|t| t.class == class).collect::<Vec<_>>();
    assert_eq!(told.len(), 2, "{}", run.out);
    assert_eq!(
        of(CLOSES)[0].question.as_deref(),
        Some("codes with 400, 401, 403, 500")
    );
    assert!(of(WIDENS)[0].title.contains("response 404.errorCode"));
    assert_eq!(told[0].line, line("    ErrorBody:", "errorCode:"));
}

#[test]
fn a_difference_in_a_shared_part_is_told_once_with_its_places() {
    let run = diff(&edited("    Reason:", "maxLength: 64", "maxLength: 40"));
    assert!(
        run.out.contains(
            "\n  also `POST /…/operations:resume request.reason`, \
             `POST /…/operations:delete request.reason`, `POST /…/operations:renew request.reason`\n"
        ),
        "{}",
        run.out
    );
    assert_eq!(
        run.out.lines().last().unwrap(),
        "1 difference(s); breaks callers: 1; closes an open question: 0; only widens: 0; \
         not compared: 0; notes: 0; confirms: 21"
    );
}

#[test]
fn a_pattern_bounds_the_length_as_well_as_a_keyword_does() {
    // The pattern still takes no more than 64.
    let run = diff(&edited("    Reason:", "maxLength: 64", "maxLength: 90"));
    assert_eq!(run.code, 0, "{}", run.out);
}

#[test]
fn another_media_type_breaks_what_is_sent() {
    let text = edited("  requestBodies:", "application/json:", "application/xml:");
    let run = diff(&text);
    let told = run.with_title("`POST /…/operations:suspend request`: media type");
    assert_eq!((told.class.as_str(), run.code), (BREAKS, 1));
    assert_eq!(told.line, line("  requestBodies:", "application/json:"));
    let told = run.with_title("`POST /…/operations:suspend request`: new media type");
    assert_eq!(told.class, WIDENS);
    let text = edited("  requestBodies:", "application/json:", "'*/*':");
    assert_eq!(diff(&text).code, 0, "a range takes it");
}

#[test]
fn another_method_is_told_with_the_operation_that_is_gone() {
    let run = diff(&edited("operations:renew:", "    post:", "    put:"));
    let told = run.with_title("`POST /…/operations:renew`: operation");
    assert_eq!(told.class, BREAKS);
    assert!(told.says.ends_with("theirs has the path with PUT only"));
    assert_eq!(told.line, line("operations:renew:", "post:"));
    assert_eq!(run.told().len(), 2, "{}", run.out);
}
