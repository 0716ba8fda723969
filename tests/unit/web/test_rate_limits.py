from aforo.web.rate_limits import MAX_ADDRESSES, MAX_CONNECTIONS_PER_ADDRESS, Budget, RateLimits, TokenBuckets


def test_a_bucket_empties_and_fills_with_time_for_each_address() -> None:
    buckets = TokenBuckets(Budget(burst=3, rate=2))
    assert [buckets.take("a", 0.0) for _ in range(5)] == [0, 0, 0, 0.5, 0.5]
    assert buckets.take("b", 0.0) == 0
    assert buckets.take("a", 0.5) == 0
    assert buckets.take("a", 0.5) > 0


def test_a_flood_of_addresses_takes_bounded_memory() -> None:
    buckets = TokenBuckets(Budget(1, 1))
    for number in range(20_000):
        buckets.take(str(number), 0.0)
    oldest_kept = 20_000 - MAX_ADDRESSES
    assert buckets.take(str(oldest_kept), 0.0) > 0, "its bucket is empty"
    assert buckets.take(str(oldest_kept - 1), 0.0) == 0, "its bucket was dropped"


def test_one_address_does_not_take_all_connections() -> None:
    limits = RateLimits()
    accepted = sum(limits.open_connection("10.0.0.1", seconds) for seconds in range(500))
    assert accepted == MAX_CONNECTIONS_PER_ADDRESS
    assert limits.open_connection("10.0.0.2", 500.0)
    limits.close_connection("10.0.0.1")
    assert [limits.open_connection("10.0.0.1", 500.0) for _ in range(2)] == [True, False], "one place is free again"
