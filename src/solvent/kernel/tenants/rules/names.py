"""Is this text a slug, a name, an address, a country or a time zone that we take?"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from zoneinfo import available_timezones

from solvent.kernel.tenants.errors import (
    CountryInvalid,
    EmailInvalid,
    ExternalRefInvalid,
    NameInvalid,
    SlugInvalid,
    SlugReserved,
    TenantUnknown,
    TimeZoneInvalid,
)
from solvent.kernel.tenants.model import CUSTOMER_PREFIX, CustomerDetails
from solvent.kit.ids import is_id

NAME_LENGTH_MAX = 200
EXTERNAL_REF_LENGTH_MAX = 200
EMAIL_LENGTH_MAX = 254
HOST_LENGTH_MAX = 253
TEST_SUFFIX = "-test"
SLUG_LENGTH_MIN = 3
LABEL_LENGTH_MAX = 63
SLUG_LENGTH_MAX = LABEL_LENGTH_MAX - len(TEST_SUFFIX)
"""A slug and its test twin's are one DNS label each: 63 octets (RFC 1035, 2.3.4)."""

DEFAULT_TIME_ZONE = "UTC"

_RESERVED = """
    about account accounts admin administrator analytics api app apps assets auth autoconfig
    autodiscover billing blog cdn checkout community console customer customers dashboard demo dev
    dns docs download downloads edge email example files ftp gateway git graphql healthz help host
    imap internal invalid invoice invoices live localhost login logout mail media metrics mqtt nats
    news ns ns1 ns2 oauth openapi ops partner pay payments paywall pop postgres postmaster privacy
    proxy public readyz register root security server sign-in signin signup smtp solvent staging
    static stats status store stream support system team tenant tenants test token tokens uptime
    usage webhook webhooks webmaster well-known wpad www
"""
_COUNTRIES = """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS
    BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE
    EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM
    HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC
    LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA
    NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW
    SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO
    TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW
"""

RESERVED_SLUGS = frozenset(_RESERVED.split())
"""Names that the platform or the internet's own conventions may need as a subdomain."""

COUNTRIES = frozenset(_COUNTRIES.split())
"""ISO 3166-1 alpha-2, and XK, which providers send for Kosovo."""

_SLUG = re.compile(r"[a-z0-9](?:-?[a-z0-9])*\Z")
_NOT_SLUG = re.compile(r"[^a-z0-9]+")
_EMAIL = re.compile(r"[^\s@\"(),:;<>\[\\\]]+@[^\s@\"(),:;<>\[\\\]]+\.[^\s@\"(),:;<>\[\\\].]{2,}\Z")
_PORT = re.compile(r"[0-9]{1,5}\Z")


def check_slug(text: str) -> str:
    """Return the text if a business may have it as its slug.

    Raises:
        SlugInvalid: it is no DNS label of the allowed length.
        SlugReserved: the platform needs the name, or it is the kind of a test twin's.
    """
    if not SLUG_LENGTH_MIN <= len(text) <= SLUG_LENGTH_MAX or not _SLUG.match(text):
        raise SlugInvalid(field="slug", given=text[:64])
    if text in RESERVED_SLUGS or text.endswith(TEST_SUFFIX):
        raise SlugReserved(field="slug", given=text)
    return text


def slug_of(name: str) -> str:
    """Return the slug that a business's name suggests.

    Raises:
        SlugInvalid: nothing of the name can stand in a slug; the caller must choose one.
        SlugReserved: it suggests a reserved one.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return check_slug(_NOT_SLUG.sub("-", plain).strip("-")[:SLUG_LENGTH_MAX].strip("-"))


def test_slug(slug: str) -> str:
    """Return the slug of a business's test twin."""
    return slug + TEST_SUFFIX


def slug_from_host(host: str, *, base_domains: Sequence[str]) -> str:
    """Return the slug in a Host header `slug.base-domain[:port]`, exactly one label deep.

    Raises:
        TenantUnknown: another domain, no or several labels, or a malformed header.
    """
    name, colon, port = host.partition(":")
    plain = host.isascii() and len(host) <= HOST_LENGTH_MAX
    if not plain or (colon and not _PORT.match(port)):
        raise TenantUnknown
    name = name.lower().removesuffix(".")
    for domain in base_domains:
        label, dot, rest = name.partition(".")
        ours = dot and rest == domain.lower().strip(".")
        if ours and len(label) <= LABEL_LENGTH_MAX and _SLUG.match(label):
            return label
    raise TenantUnknown


def check_name(text: str, *, field: str = "name") -> str:
    """Return a name without the space around it.

    Raises:
        NameInvalid: empty, too long, or with characters that cannot be shown.
    """
    name = text.strip()
    if not 0 < len(name) <= NAME_LENGTH_MAX or not name.isprintable():
        raise NameInvalid(field=field)
    return name


def check_email(text: str) -> str:
    """Return an e-mail address that mail can be sent to.

    Raises:
        EmailInvalid: it has no such form; whether anybody reads it only a mail can tell.
    """
    address = text.strip()
    if len(address) > EMAIL_LENGTH_MAX or not address.isprintable() or not _EMAIL.match(address):
        raise EmailInvalid(field="email")
    return address


def check_external_ref(text: str) -> str:
    """Return the tenant's own name of a customer, unchanged.

    Raises:
        ExternalRefInvalid: empty, too long, unprintable, or what only we may call a customer.
    """
    fits = 0 < len(text) <= EXTERNAL_REF_LENGTH_MAX and text.isprintable() and text.strip()
    if not fits or is_id(text, prefix=CUSTOMER_PREFIX):
        raise ExternalRefInvalid(field="external_ref")
    return text


def check_country(code: str) -> str:
    """Return the code if it is a country's; raises CountryInvalid."""
    if code not in COUNTRIES:
        raise CountryInvalid(field="country", given=code[:16])
    return code


def check_time_zone(name: str) -> str:
    """Return the name if the time zone database knows it; raises TimeZoneInvalid."""
    if name not in _time_zones():
        raise TimeZoneInvalid(field="time_zone", given=name[:64])
    return name


def check_details(details: CustomerDetails) -> CustomerDetails:
    """Return what is told about a customer if each part is valid; raises naming the first field."""
    return CustomerDetails(
        email=None if details.email is None else check_email(details.email),
        name=None if details.name is None else check_name(details.name),
        country=None if details.country is None else check_country(details.country),
        time_zone=None if details.time_zone is None else check_time_zone(details.time_zone),
    )


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())
