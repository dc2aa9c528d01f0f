"""Are names, scopes, keys and tokens read strictly, and one way only?"""

from __future__ import annotations

import base64
import itertools
import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvent.kernel.signing import rules as signing_rules
from solvent.kernel.signing.model import Algorithm
from solvent.kernel.tenants.errors import (
    CountryInvalid,
    EmailInvalid,
    ExternalRefInvalid,
    KeyInvalid,
    NameInvalid,
    ScopeBeyondOwn,
    ScopeInvalid,
    ScopeNotPublishable,
    SlugInvalid,
    SlugReserved,
    TenantUnknown,
    TimeZoneInvalid,
    TokenClaimsInvalid,
    TokenInvalid,
)
from solvent.kernel.tenants.model import KeyKind, Mode, Role
from solvent.kernel.tenants.rules import names, scopes, secrets, tokens
from solvent.kit.ctx import Actor
from solvent.kit.errors import SolventError
from solvent.kit.ids import RandomIds, TenantId, random_token

NOW = datetime(2026, 1, 15, 10, 0, 0, tzinfo=UTC)
IDS = RandomIds()


# --------------------------------------------------------------------------------------- names


@pytest.mark.parametrize("slug", ["acme", "a1b", "acme-2", "a-b-c", "0ab", "x" * 58])
def test_a_dns_label_is_a_slug(slug: str) -> None:
    assert names.check_slug(slug) == slug


@pytest.mark.parametrize(
    "slug",
    [
        "",
        "ab",
        "x" * 59,
        "Acme",
        "-acme",
        "acme-",
        "a--b",
        "xn--acme",
        "a.b",
        "a_b",
        "äcme",
        "acme\n",
    ],
)
def test_anything_else_is_not(slug: str) -> None:
    with pytest.raises(SlugInvalid):
        names.check_slug(slug)


@pytest.mark.parametrize("slug", ["www", "api", "console", "acme-test", "localhost"])
def test_reserved_words_and_twins_are_not_given_away(slug: str) -> None:
    with pytest.raises(SlugReserved):
        names.check_slug(slug)


@pytest.mark.parametrize(
    "name, slug",
    [
        ("Acme Corp.", "acme-corp"),
        ("Café Müller & Söhne", "cafe-muller-sohne"),
        ("3M  Co", "3m-co"),
    ],
)
def test_a_name_suggests_a_slug(name: str, slug: str) -> None:
    assert names.slug_of(name) == slug


def test_a_name_without_latin_letters_suggests_none() -> None:
    with pytest.raises(SlugInvalid):
        names.slug_of("株式会社")


@given(st.text(max_size=120))
def test_whatever_is_suggested_is_a_slug(name: str) -> None:
    try:
        slug = names.slug_of(name)
    except (SlugInvalid, SlugReserved):
        return
    assert names.check_slug(slug) == slug


BASES = ("pay.example.com", "localhost")


@pytest.mark.parametrize(
    "host",
    [
        "acme.pay.example.com",
        "acme.pay.example.com:8080",
        "ACME.Pay.Example.COM",
        "acme.pay.example.com.",
        "acme.pay.example.com.:443",
        "acme.localhost:8080",
    ],
)
def test_a_subdomain_names_its_tenant(host: str) -> None:
    assert names.slug_from_host(host, base_domains=BASES) == "acme"


@pytest.mark.parametrize(
    "host",
    [
        "",
        "acme",
        "pay.example.com",
        "localhost",
        ".pay.example.com",
        "a.acme.pay.example.com",
        "acme.pay.example.com.evil.org",
        "acme.evilpay.example.com",
        "acmepay.example.com",
        "acme.pay.example.com..",
        "acme..pay.example.com",
        "acme.pay.example.com:",
        "acme.pay.example.com:http",
        "acme.pay.example.com:80:80",
        "acme.pay.example.com:123456",
        "acme@evil.org",
        "evil.org#acme.pay.example.com",
        "acme.pay.example.com/x",
        "acme.pay.example.com\n",
        " acme.pay.example.com",
        "-acme.pay.example.com",
        "ac_me.pay.example.com",
        "[::1]:80",
        "127.0.0.1",
        "\uff41cme.pay.example.com",
        "acme.pay.example.com".replace("m", "\u2133"),
        "\u212aelvin.pay.example.com",
        "acme.pay.example.com" + "x" * 300,
        "x" * 64 + ".pay.example.com",
    ],
)
def test_host_has_no_suffix_tricks(host: str) -> None:
    with pytest.raises(TenantUnknown):
        names.slug_from_host(host, base_domains=BASES)


@pytest.mark.parametrize("email", ["a@b.co", "first.last+tag@sub.example.com", "ü@münchen.example"])
def test_an_address_is_kept(email: str) -> None:
    assert names.check_email(f" {email} ") == email


@pytest.mark.parametrize(
    "email",
    ["", "a", "a@b", "a b@c.de", "a@b@c.de", "a@b.de, c@d.de", "<a@b.de>", "a@.d"],
)
def test_what_is_no_address_is_refused(email: str) -> None:
    with pytest.raises(EmailInvalid):
        names.check_email(email)


@pytest.mark.parametrize("name", ["", "   ", "a\nb", "a\0b", "x" * 201])
def test_what_cannot_be_shown_is_no_name(name: str) -> None:
    with pytest.raises(NameInvalid):
        names.check_name(name)


@pytest.mark.parametrize("ref", ["user_1", "42", "ünï", "a b", "cus_Nffrxxxx", "x" * 200])
def test_an_external_ref_is_the_tenants_own(ref: str) -> None:
    assert names.check_external_ref(ref) == ref


@pytest.mark.parametrize("ref", ["", "  ", "a\0", "a\nb", "x" * 201, "cus_" + "0" * 26])
def test_an_external_ref_is_never_mistaken(ref: str) -> None:
    with pytest.raises(ExternalRefInvalid):
        names.check_external_ref(ref)


def test_countries_and_zones_are_the_known_ones() -> None:
    assert names.check_country("DE") == "DE"
    assert names.check_time_zone("Europe/Paris") == "Europe/Paris"
    assert len(names.COUNTRIES) == 250
    for wrong in ("de", "XX", "DEU", ""):
        with pytest.raises(CountryInvalid):
            names.check_country(wrong)
    for wrong in ("Paris", "Europe/Pariss", "../etc/passwd", "UTC+1", ""):
        with pytest.raises(TimeZoneInvalid):
            names.check_time_zone(wrong)


# -------------------------------------------------------------------------------------- scopes

ALL = Actor("member", "alice", frozenset({"*"}))
BOB = Actor("member", "bob", frozenset({"metering:*", "customers:read"}))


def test_a_key_gets_what_it_asks_for_within_its_givers_own() -> None:
    asked = ["metering:write", "customers:read"]
    assert scopes.check_scopes(asked, kind=KeyKind.SECRET, giver=BOB) == set(asked)
    assert scopes.check_scopes([], kind=KeyKind.SECRET, giver=ALL) == {"*"}


@pytest.mark.parametrize("asked", [["*"], ["customers:write"], ["metering:*", "ledger:read"], []])
def test_no_scope_beyond_own(asked: list[str]) -> None:
    with pytest.raises(ScopeBeyondOwn):
        scopes.check_scopes(asked, kind=KeyKind.SECRET, giver=BOB)


@pytest.mark.parametrize(
    "scope", ["", "x", "*:*", "*:read", "a:b:c", "Metering:read", "metering:", "a b:c"]
)
def test_a_scope_has_one_form(scope: str) -> None:
    with pytest.raises(ScopeInvalid):
        scopes.check_scopes([scope], kind=KeyKind.SECRET, giver=ALL)


def test_publishable_keys_do_little() -> None:
    given = scopes.check_scopes([], kind=KeyKind.PUBLISHABLE, giver=ALL)
    assert given == scopes.PUBLISHABLE_SCOPES
    for beyond in ("*", "metering:write", "customers:read", "entitlements:write"):
        with pytest.raises(ScopeNotPublishable):
            scopes.check_scopes([beyond], kind=KeyKind.PUBLISHABLE, giver=ALL)


def test_each_role_may_what_the_one_below_may() -> None:
    from solvent.kernel.tenants.rules.scopes import NOUNS, SCOPES_OF_ROLE

    order = [Role.VIEWER, Role.DEVELOPER, Role.ADMIN, Role.OWNER]
    actors = [Actor("member", role, SCOPES_OF_ROLE[role]) for role in order]
    verbs = [f"{noun}:{verb}" for noun in NOUNS for verb in ("read", "write")]
    for lower, higher in itertools.pairwise(actors):
        assert all(higher.may(verb) for verb in verbs if lower.may(verb))
    viewer, developer, admin, owner = actors
    assert not any(viewer.may(f"{noun}:write") for noun in NOUNS)
    assert developer.may("metering:write")
    assert not developer.may("members:write")
    assert not developer.may("api_keys:write")
    assert admin.may("members:write")
    assert not admin.may("*")
    assert owner.may("*")


def test_every_scope_that_the_code_asks_for_is_given_with_some_role() -> None:
    """A noun that is missing from the vocabulary would lock admins out of its routes."""
    import re
    from pathlib import Path

    import solvent

    asked = {
        scope
        for path in Path(solvent.__file__).parent.rglob("*.py")
        for scope in re.findall(
            r'(?:require\(|SCOPE_[A-Z]+ = )"([a-z_]+:[a-z_]+)"', path.read_text("utf-8")
        )
    }
    admin = Actor("member", "bob", scopes.SCOPES_OF_ROLE[Role.ADMIN])
    assert len(asked) > 10
    assert not {scope for scope in asked if not admin.may(scope)}


# ---------------------------------------------------------------------------------------- keys


def new_key(kind=KeyKind.SECRET, mode=Mode.LIVE) -> str:
    return secrets.key_text(kind, mode, chance=random_token(secrets.KEY_BYTES))


def test_keys_are_strong() -> None:
    """160 random bits, a checksum, a telling prefix; no two alike."""
    assert secrets.KEY_BYTES * 8 >= 160
    made = {new_key() for _ in range(1000)}
    assert len(made) == 1000
    for kind, mode, start in [
        (KeyKind.SECRET, Mode.LIVE, "sk_live_"),
        (KeyKind.SECRET, Mode.TEST, "sk_test_"),
        (KeyKind.PUBLISHABLE, Mode.LIVE, "pk_live_"),
        (KeyKind.PUBLISHABLE, Mode.TEST, "pk_test_"),
    ]:
        key = new_key(kind, mode)
        assert key.startswith(start)
        assert len(key) == len(start) + 32 + 7
        assert len(secrets.key_hash(key)) == 32


def test_a_mistyped_key_is_refused_unasked() -> None:
    key = new_key()
    for place in range(len(key)):
        for other in "0z_":
            wrong = key[:place] + other + key[place + 1 :]
            if wrong != key:
                with pytest.raises(KeyInvalid):
                    secrets.key_hash(wrong)


@given(st.text(max_size=100))
def test_no_text_breaks_the_reading_of_keys(text: str) -> None:
    with pytest.raises(KeyInvalid):
        secrets.key_hash(text)
    assert secrets.token_hash(text) is None


# -------------------------------------------------------------------------------------- tokens

PAIR = signing_rules.make_pair(Algorithm.ED25519)
KID = IDS.new("kid")
TENANT = TenantId(IDS.new("ten"))


def claims(**changes) -> tokens.Claims:
    told = {
        "subject": "alice",
        "scopes": ["metering:write"],
        "now": NOW,
        "life": timedelta(minutes=15),
    }
    return tokens.claims(TENANT, **(told | changes))


def token() -> str:
    text = tokens.signing_input(claims(), kid=KID)
    return tokens.compact(text, signing_rules.sign(Algorithm.ED25519, PAIR.private, text.encode()))


def public_key():
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(PAIR.public)


def test_another_library_reads_our_tokens() -> None:
    read = jwt.decode(
        token(),
        public_key(),
        algorithms=["EdDSA"],
        audience="solvent",
        issuer=TENANT,
        options={"verify_exp": False, "verify_iat": False},
    )
    assert (read["sub"], read["scope"]) == ("alice", "metering:write")
    assert jwt.get_unverified_header(token()) == {"alg": "EdDSA", "kid": KID, "typ": "solvent+jwt"}


def test_we_read_what_we_wrote() -> None:
    parsed = tokens.parse(token())
    assert (parsed.claims, parsed.kid) == (claims(), KID)
    tokens.check_in_force(parsed.claims, now=NOW)
    tokens.check_in_force(parsed.claims, now=NOW + timedelta(minutes=15, microseconds=-1))


@pytest.mark.parametrize("now", [NOW + timedelta(minutes=15), NOW - timedelta(seconds=6)])
def test_a_token_out_of_its_time_is_refused(now: datetime) -> None:
    with pytest.raises(TokenInvalid):
        tokens.check_in_force(claims(), now=now)


def part(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


HEADER = {"alg": "EdDSA", "kid": KID, "typ": "solvent+jwt"}
PAYLOAD = {
    "iss": TENANT,
    "aud": "solvent",
    "sub": "alice",
    "iat": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 900,
    "scope": "metering:write",
}


def without(told: dict, name: str) -> dict:
    return {key: value for key, value in told.items() if key != name}


@pytest.mark.parametrize(
    "header, payload",
    [
        (HEADER | {"alg": "none"}, PAYLOAD),
        (HEADER | {"alg": "HS256"}, PAYLOAD),
        (HEADER | {"alg": "eddsa"}, PAYLOAD),
        (HEADER | {"typ": "JWT"}, PAYLOAD),
        (HEADER | {"jwk": {"kty": "OKP"}}, PAYLOAD),
        (HEADER | {"jku": "https://evil.example"}, PAYLOAD),
        (HEADER | {"crit": ["exp"]}, PAYLOAD),
        (HEADER | {"kid": "../../etc/passwd"}, PAYLOAD),
        (HEADER | {"kid": None}, PAYLOAD),
        (without(HEADER, "kid"), PAYLOAD),
        ([], PAYLOAD),
        (b"\xff", PAYLOAD),
        (HEADER, PAYLOAD | {"aud": "someone-else"}),
        (HEADER, PAYLOAD | {"aud": ["solvent"]}),
        (HEADER, PAYLOAD | {"iss": "acme"}),
        (HEADER, PAYLOAD | {"iss": None}),
        (HEADER, PAYLOAD | {"exp": "soon"}),
        (HEADER, PAYLOAD | {"exp": 1e400}),
        (HEADER, PAYLOAD | {"exp": True}),
        (HEADER, PAYLOAD | {"exp": 10**30}),
        (HEADER, PAYLOAD | {"iat": 1.5}),
        (HEADER, PAYLOAD | {"nbf": 0}),
        (HEADER, PAYLOAD | {"scope": ["*"]}),
        (HEADER, without(PAYLOAD, "exp")),
        (HEADER, without(PAYLOAD, "aud")),
        (HEADER, b'{"sub":"a","sub":"b"}'),
        (HEADER, b"[" * 5000),
        (HEADER, "x" * 5000),
    ],
)
def test_token_has_one_form(header, payload) -> None:
    with pytest.raises(TokenInvalid):
        tokens.parse(f"{part(header)}.{part(payload)}.{part(b'0' * 64)}")


@pytest.mark.parametrize("text", ["", "..", "a.b.c", "a.b", f"{'x' * 5000}..", "é.é.é", "a=.b=.c="])
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(TokenInvalid):
        tokens.parse(text)


@given(st.data())
def test_no_changed_character_keeps_a_token_whole(data) -> None:
    """Every change either fails to parse or changes what the signature covers, or the signature."""
    whole = token()
    place = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda char: char != whole[place]))
    try:
        parsed = tokens.parse(whole[:place] + other + whole[place + 1 :])
    except SolventError:
        return
    assert not signing_rules.verifies(
        Algorithm.ED25519, PAIR.public, parsed.signed, parsed.signature.hex()
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": ""},
        {"subject": "a\nb"},
        {"subject": "x" * 201},
        {"life": timedelta(0)},
        {"life": timedelta(hours=1, seconds=1)},
        {"life": timedelta(milliseconds=999)},
    ],
)
def test_a_token_without_subject_or_end_is_not_made(changes) -> None:
    with pytest.raises(TokenClaimsInvalid):
        claims(**changes)
