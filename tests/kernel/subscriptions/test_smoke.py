"""x."""


async def test_smoke(shop):
    one = await shop.create()
    print(one)
    s = await shop.sync(customer_id=(await shop.customer("bob")).id)
    print(s)
    assert s == await shop.sync(customer_id=(await shop.customer("bob")).id)
