"""What does Stripe answer, offline? An emulator of its API, for tests and for development.

At a terminal: `solvent dev stripe`. In Python, with Stripe's own client unmodified:

    from solvent.systems.payments.stripe_emulator.emulator import Chaos, StripeEmulator

    with StripeEmulator() as emulator:                  # in memory; data=Path keeps it
        client = stripe.StripeClient(
            emulator.api_key, base_addresses={"api": emulator.url}, max_network_retries=0
        )
        secret = emulator.listen("http://127.0.0.1:8000/webhooks")   # signed deliveries, retried
        ada = client.v1.customers.create({"email": "ada@example.com"})
        card = client.v1.payment_methods.attach("pm_card_visa", {"customer": ada.id})
        client.v1.payment_intents.create(
            {"amount": 2900, "currency": "usd", "customer": ada.id, "payment_method": card.id,
             "off_session": True, "confirm": True, "metadata": {"invoice": "inv_1"}},
            {"idempotency_key": "inv_1:1"},
        )

What can be said to it beyond the API:

    emulator.let_card_fail(card.id, "insufficient_funds")  # a saved card fails from now on;
    emulator.let_card_fail(card.id, None)                  # works again (codes: cards.DECLINES)
    emulator.authenticate(intent.id, succeeds=True)        # answers requires_action
    emulator.dispute(intent.id, reason="fraudulent")       # also by charge id
    emulator.end_dispute(dispute_id, "lost")               # or "won"
    emulator.arrive(refund_id)                             # a pending refund succeeds
    emulator.failures.append((500, {"error": {...}}))      # outcomes to give first; keys save them
    emulator.answering.clear() / .set()                    # worked on, but the answer is held back
    emulator.working.clear() / .set()                      # under way: the same key gets a 409
    emulator.calls                                         # requests so far: path, body, headers
    emulator.events("charge.refunded")                     # events so far, oldest first
    emulator.signed(event, secret="whsec_…")               # .body and .headers, to post by hand
    emulator.courier.hurry()                               # deliver at once what waits
    emulator.courier.settle()                              # wait until all is delivered
    StripeEmulator(chaos=Chaos(duplicate=0.5, reorder=0.5, delay_s=1, seed=7))
    StripeEmulator(clock=FrozenClock(at))                  # keys are forgotten after 24 h of it

Test cards are Stripe's own (`cards.CARDS`): `pm_card_visa`; declined at once
`pm_card_visa_chargeDeclined`, `…InsufficientFunds`, `…LostCard`, `…StolenCard`,
`pm_card_chargeDeclinedExpiredCard`, `…ProcessingError`, `…IncorrectCvc`; saved and declined later
`pm_card_chargeCustomerFail`; `pm_card_authenticationRequired`; `pm_card_createDispute`;
`pm_card_refundFail`, `pm_card_pendingRefund`. Any decline code (`do_not_honor` has no card at
Stripe) can be given to a saved card by `let_card_fail`.
"""
