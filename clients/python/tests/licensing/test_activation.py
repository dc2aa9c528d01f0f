"""Does a license come to its machine, once, and nowhere else? The paths of a file."""

import shutil

import pytest
from publisher import DAY, KEY, NOW, STRANGER, VALUES, Publisher, opened, public

from solvent_client.licensing import LicenseRefused, Licensing
from solvent_client.licensing.refusal import REASONS


def refused(call, *arguments, **options):
    with pytest.raises(LicenseRefused) as caught:
        call(*arguments, **options)
    assert caught.value.reason in REASONS
    assert str(caught.value)[0].isupper()
    return caught.value.reason


@pytest.mark.parametrize("encrypted", [False, True])
def test_request_answer_import_check(computer, publisher, encrypted):
    licensing = computer.licensing(version="2.5.0")
    request = licensing.request(license_key=KEY.lower(), name="laptop")
    asked = opened(request)
    assert (asked["license_key"], asked["name"], asked["kind"]) == (KEY, "laptop", "activation")
    assert computer.reason() == "not_activated"
    found = licensing.activate(publisher.answer(request, encrypted=encrypted))
    assert found.allows("export")
    assert not found.allows("teleport")
    assert found.value("projects") == 5
    assert found.days_left == 30
    assert computer.reason() is None


def test_what_the_hardware_says_does_not_leave_the_machine(computer):
    request = computer.licensing().request(license_key=KEY)
    stored = (computer.disk / "data" / "license.safe").read_bytes()
    computer.licensing().request(license_key=KEY)
    for value in VALUES.values():
        assert value not in str(opened(request))
        assert value.encode() not in stored


def test_a_response_works_once_on_its_machine(computer, other, publisher):
    answer = publisher.answer(computer.licensing().request(license_key=KEY))
    assert refused(other.licensing().activate, answer) == "fingerprint_mismatch"
    other.licensing().request(license_key=KEY)
    assert refused(other.licensing().activate, answer) == "fingerprint_mismatch"
    computer.licensing().activate(answer)
    assert refused(computer.licensing().activate, answer) == "response_not_awaited"
    assert computer.reason() is None


def test_an_encrypted_response_does_not_open_on_another_machine(computer, other, publisher):
    answer = publisher.answer(computer.licensing().request(license_key=KEY), encrypted=True)
    assert refused(other.licensing().activate, answer, license_key=KEY) == "license_key_wrong"


def test_a_response_is_refused_after_deactivation(computer, publisher):
    licensing = computer.licensing()
    answer = publisher.answer(licensing.request(license_key=KEY))
    licensing.activate(answer)
    proof = licensing.deactivate()
    assert computer.reason() == "deactivated"
    assert refused(licensing.activate, answer) == "response_not_awaited"
    assert licensing.deactivate() == proof
    assert computer.reason() == "deactivated"


def test_a_proof_shows_the_secret_that_the_request_hid(computer, publisher):
    licensing = computer.licensing()
    request = licensing.request(license_key=KEY)
    licensing.activate(publisher.answer(request))
    proof = opened(licensing.deactivate())
    assert proof["nonce"] == opened(request)["nonce"]
    assert proof["activation"] == "act_1"
    assert proof["secret"] not in request


def test_a_replayed_response_is_refused_after_the_store_was_deleted(computer, publisher):
    licensing = computer.licensing()
    answer = publisher.answer(licensing.request(license_key=KEY))
    licensing.activate(answer)
    shutil.rmtree(computer.disk / "data")
    assert refused(licensing.activate, answer) == "response_not_awaited"
    shutil.rmtree(computer.disk / "state")
    assert refused(licensing.activate, answer) == "response_not_awaited"


def test_a_trial_starts_once(computer, publisher):
    licensing = computer.licensing()
    found = licensing.activate(publisher.answer(licensing.request(trial=True)))
    assert found.is_trial
    assert refused(licensing.request, trial=True) == "trial_used"
    shutil.rmtree(computer.disk / "data")
    assert refused(licensing.request, trial=True) == "trial_used"


@pytest.mark.parametrize(
    "changed, match, reason",
    [
        ({"mac": "x"}, "most", None),
        ({"mac": "x", "disk": "x"}, "most", "fingerprint_mismatch"),
        ({"mac": "x", "disk": "x"}, "two", None),
        ({"mac": "x", "disk": "x", "cpu": "x"}, "any", None),
        ({"mac": "x"}, "all", "fingerprint_mismatch"),
        ({"usb": "new"}, "all", None),
    ],
)
def test_parts_of_a_machine_may_change(computer, publisher, changed, match, reason):
    licensing = computer.licensing()
    licensing.activate(publisher.answer(licensing.request(license_key=KEY), match=match))
    computer.values |= changed
    found = computer.reason()
    # Whoever changes most of a machine cannot open its store either: that is as good a refusal.
    assert found == reason or (len(changed) > 1 and found == "store_copied")


def test_a_license_for_any_machine_is_kept_without_a_request(computer, other, publisher):
    text = publisher.license_file(expiry=NOW + 10 * DAY)
    for machine in (computer, other):
        assert machine.licensing().activate(text).days_left == 10
        assert machine.licensing().deactivate() == ""


def test_several_requests_may_wait_and_each_is_answered(computer, publisher):
    licensing = computer.licensing()
    first, second = licensing.request(license_key=KEY), licensing.request(license_key=KEY)
    licensing.activate(publisher.answer(first, encrypted=True))
    licensing.activate(publisher.answer(second, encrypted=True))
    assert computer.reason() is None


def test_a_container_without_a_name_of_its_own_is_refused(computer, publisher):
    computer.kind, computer.values = "container", {"cpu": "Zen"}
    assert refused(computer.licensing().request, license_key=KEY) == "fingerprint_unstable"
    computer.values = {"override": "shop-1"}
    licensing = computer.licensing()
    licensing.activate(publisher.answer(licensing.request(license_key=KEY)))
    assert computer.reason() is None
    computer.values = {"override": "shop-2"}
    assert computer.reason() == "store_copied"


def test_the_trust_anchor_is_built_in(computer, publisher, monkeypatch):
    """Neither variables, nor files of the user, nor the license file itself say whom to trust."""
    stranger = Publisher(seed=STRANGER)
    monkeypatch.setenv("SOLVENT_PUBLIC_KEY", public(STRANGER))
    licensing = computer.licensing()
    answer = stranger.answer(licensing.request(license_key=KEY))
    assert refused(licensing.activate, answer) == "foreign"


def test_another_product_of_the_same_publisher_is_refused(computer, publisher):
    licensing = computer.licensing()
    answer = publisher.answer(licensing.request(license_key=KEY), product="othertool")
    assert refused(licensing.activate, answer) == "other_product"


def test_during_a_rotation_both_keys_are_good(computer):
    old, new = Publisher(), Publisher(seed=STRANGER)
    around = computer.licensing().desk._around
    both = Licensing("mytool", public_keys=[public(), public(STRANGER)], surroundings=around)
    both.activate(old.answer(both.request(license_key=KEY)))
    assert not isinstance(both.check(), LicenseRefused)
    both.activate(new.answer(both.request(license_key=KEY)))
    assert both.require().allows("export")


def test_a_mistyped_license_key_is_noticed_before_anything_is_written(computer):
    wrong = KEY.replace("G", "H", 1)
    assert refused(computer.licensing().request, license_key=wrong) == "code_mistyped"
    assert not (computer.disk / "data").exists()


@pytest.mark.parametrize(
    "options, field",
    [
        ({"product": "My Tool"}, "product"),
        ({"public_keys": []}, "public_keys"),
        ({"public_keys": ["abc"]}, "public_keys"),
        ({"public_keys": public()}, "public_keys"),
    ],
)
def test_what_cannot_be_is_named(options, field):
    with pytest.raises(ValueError, match=field):
        Licensing(**{"product": "mytool", "public_keys": [public()], **options})


# ---------------------------------------------------------------------------------- revocation list


def test_a_revoked_license_is_refused_and_an_older_list_does_not_help(computer, publisher):
    licensing = computer.licensing()
    licensing.activate(publisher.answer(licensing.request(license_key=KEY)))
    assert licensing.take(publisher.revocations(serial=7, revoked=["lic_1"])) == 7
    assert computer.reason() == "license_revoked"
    older = publisher.revocations(serial=6)
    assert refused(licensing.take, older) == "revocation_list_older"
    assert licensing.take(publisher.revocations(serial=8)) == 8
    assert computer.reason() is None


def test_a_list_that_grows_too_old_is_asked_for(computer, publisher):
    licensing = computer.licensing()
    request = licensing.request(license_key=KEY)
    answer = publisher.answer(request, revocation_max_age_s=DAY)
    assert refused(licensing.activate, answer) == "revocation_list_needed"
    licensing.take(publisher.revocations())
    licensing.activate(answer)
    computer.later(DAY)
    assert computer.reason() is None
    computer.later(1)
    assert computer.reason() == "revocation_list_too_old"


def test_a_list_of_another_publisher_is_refused(active):
    forged = Publisher(seed=STRANGER).revocations(serial=99)
    assert refused(active.licensing().take, forged) == "signature_invalid"


# ------------------------------------------------------------------------------------------- meters


def test_meters_are_counted_and_do_not_go_below_nothing(computer, publisher):
    licensing = computer.licensing()
    meters = {"pages": {"limit": 10}, "calls": {"limit": None}}
    found = licensing.activate(publisher.answer(licensing.request(license_key=KEY), meters=meters))
    assert found.use("pages", 7)
    assert not found.use("pages", 4)
    assert found.use("pages", 3)
    assert computer.licensing().require().meter("pages").remaining == 0
    assert found.use("calls", 10**9)
    assert found.meter("calls").remaining is None
    assert not found.use("unknown")
    with pytest.raises(ValueError, match="quantity"):
        found.use("pages", 0)


def test_a_renewed_file_does_not_fill_the_meters_and_a_renewed_license_does(computer, publisher):
    licensing = computer.licensing()
    meters = {"pages": {"limit": 10}}

    def renew(expiry):
        request = licensing.request(license_key=KEY)
        return licensing.activate(publisher.answer(request, meters=meters, expiry=expiry))

    renew(NOW + 60 * DAY).use("pages", 10)
    assert not renew(NOW + 60 * DAY).use("pages")
    assert renew(NOW + 400 * DAY).use("pages")


def test_old_copies_of_the_store_do_not_fill_the_meters(computer, publisher):
    licensing = computer.licensing()
    meters = {"pages": {"limit": 10}}
    found = licensing.activate(publisher.answer(licensing.request(license_key=KEY), meters=meters))
    shutil.copytree(computer.disk / "data", computer.disk / "kept")
    assert found.use("pages", 10)
    shutil.rmtree(computer.disk / "data")
    shutil.copytree(computer.disk / "kept", computer.disk / "data")
    assert computer.reason() == "store_restored"
    assert refused(found.use, "pages") == "store_restored"
    licensing.request(license_key=KEY)  # asking anew does not launder what was put back
    assert computer.reason() == "not_activated"
