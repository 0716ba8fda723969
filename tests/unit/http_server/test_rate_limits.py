from aforo.http_server.rate_limits import MAX_ADDRESSES, AddressLimit, Budget, KnownAddresses, TokenBuckets


def test_a_bucket_empties_and_fills_with_time_for_each_address() -> None:
    buckets = TokenBuckets(Budget(burst=3, rate=2))
    assert [buckets.take("a", 0.0) for _ in range(5)] == [0, 0, 0, 0.5, 0.5]
    assert buckets.take("b", 0.0) == 0
    assert buckets.take("a", 0.5) == 0
    assert buckets.take("a", 0.5) > 0
    assert (buckets.used("a", 0.5), buckets.used("a", 100.0), buckets.used("c", 0.0)) == (3, 0, 0)


def test_a_flood_of_addresses_takes_bounded_memory() -> None:
    buckets = TokenBuckets(Budget(1, 1))
    for number in range(20_000):
        buckets.take(str(number), 0.0)
    oldest_kept = 20_000 - MAX_ADDRESSES
    assert buckets.take(str(oldest_kept), 0.0) > 0, "its bucket is empty"
    assert buckets.take(str(oldest_kept - 1), 0.0) == 0, "its bucket was dropped"


def test_many_addresses_together_do_not_keep_out_one_that_asks_for_little() -> None:
    known = KnownAddresses()
    limit = AddressLimit(known, each=Budget(6, 0.1), quiet=Budget(2, 0.1), together=Budget(10, 0.1))
    flood = [limit.take(f"10.0.0.{number}", 0.0) for number in range(20) for _ in range(6)]
    assert flood.count(0) == 20 * 2 + 10
    assert [limit.take("10.0.1.1", 0.0) == 0 for _ in range(3)] == [True, True, False]
    known.add("10.0.1.2", 0.0)
    assert [limit.take("10.0.1.2", 0.0) == 0 for _ in range(7)] == [True] * 6 + [False], "somebody is in from there"
    limit.give_back("10.0.1.2", 0.0)
    assert [limit.take("10.0.1.2", 0.0) == 0 for _ in range(2)] == [True, False]
    assert not known.holds("10.0.1.2", 86_400.0)
