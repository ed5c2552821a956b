"""Who waits, who is refused, and that nothing is lost or given twice: calls, messages under way, bytes."""

import asyncio
from typing import Any

import pytest

from phoenix_grpc.errors import LimitExceeded
from phoenix_grpc.guard.capacity import Arrivals, ByteBudget, Hold, Room


async def holding(budget: ByteBudget, size: int) -> Hold:
    """A hold of `size` bytes."""
    hold = budget.hold()
    await hold.grow(size)
    return hold


async def waiting(budget: ByteBudget, size: int) -> "asyncio.Task[Hold]":
    """The task of one who waits for `size` bytes."""
    task = asyncio.create_task(holding(budget, size))
    await asyncio.sleep(0)
    assert not task.done()
    return task


async def test_a_hold_grows_shrinks_and_ends_with_its_block() -> None:
    budget = ByteBudget(100)
    with budget.hold() as hold:
        await hold.grow(40)
        await hold.grow(60)
        assert budget.held == 100
        hold.shrink(10)
        assert budget.held == 10
    assert budget.held == 0


async def test_the_first_who_waits_is_the_first_served_and_none_overtakes() -> None:
    budget = ByteBudget(100)
    first = await holding(budget, 90)
    big = await waiting(budget, 60)
    small = await waiting(budget, 5)
    first.shrink(45)
    await asyncio.sleep(0)
    assert not big.done()
    assert not small.done()
    first.shrink(0)
    await asyncio.gather(big, small)
    assert budget.held == 65


async def test_who_waits_too_long_is_told_when_to_come_again_and_makes_room_for_those_behind() -> None:
    budget = ByteBudget(100, patience=0.05)
    await holding(budget, 80)
    big = await waiting(budget, 50)
    await asyncio.sleep(0.03)
    small = await waiting(budget, 20)
    with pytest.raises(LimitExceeded, match="PHOENIX_MAX_INFLIGHT_BYTES") as caught:
        await big
    assert caught.value.retry_after == 0.05
    await small
    assert budget.held == 100


async def test_as_many_bytes_may_wait_as_may_be_held() -> None:
    budget = ByteBudget(100, patience=60)
    await holding(budget, 100)
    await waiting(budget, 60)
    with pytest.raises(LimitExceeded):
        await holding(budget, 50)


async def test_more_may_wait_where_it_is_said() -> None:
    budget = ByteBudget(100, patience=60, queue=150)
    first = await holding(budget, 100)
    waiters = [await waiting(budget, 60), await waiting(budget, 90)]
    with pytest.raises(LimitExceeded):
        await holding(budget, 1)
    first.shrink(0)
    (await waiters[0]).shrink(0)
    await waiters[1]
    assert budget.held == 90


async def test_what_can_never_fit_is_refused_at_once_and_for_good() -> None:
    budget = ByteBudget(100, patience=60)
    hold = await holding(budget, 60)
    with pytest.raises(LimitExceeded) as caught:
        await hold.grow(41)
    assert caught.value.retry_after is None


@pytest.mark.parametrize("granted", [False, True])
async def test_a_cancelled_wait_keeps_nothing_and_holds_up_nobody(granted: bool) -> None:
    budget = ByteBudget(100)
    first = await holding(budget, 100)
    cancelled = await waiting(budget, 80)
    behind = await waiting(budget, 20)
    if granted:  # in the moment of its cancellation
        first.shrink(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    first.shrink(0)
    await behind
    assert budget.held == 20


def test_a_room_has_a_limit_for_all_and_a_share_for_one() -> None:
    room = Room(3, share=2)
    for who in ("one", "one", "two"):
        room.enter(who)
    with pytest.raises(LimitExceeded):
        room.enter("three")
    room.leave("two")
    with pytest.raises(LimitExceeded):
        room.enter("one")
    for _ in range(2):
        room.leave("one")
    assert room.running == 0
    assert not room._of


def never() -> "asyncio.Future[Any]":
    """A message that does not come."""
    return asyncio.get_running_loop().create_future()


async def test_of_messages_that_do_not_come_at_once_the_oldest_are_given_up() -> None:
    arrivals = Arrivals(slow=2, share=10, seconds=60)
    waits = [asyncio.create_task(arrivals.wait(f"caller {number}", never)) for number in range(5)]
    done, pending = await asyncio.wait(waits, timeout=1.5)
    assert done == set(waits[:3])
    assert all(isinstance(wait.exception(), LimitExceeded) for wait in done)
    for wait in pending:
        wait.cancel()
    await asyncio.gather(*pending, return_exceptions=True)


async def test_each_message_is_given_up_after_its_time() -> None:
    with pytest.raises(LimitExceeded, match="did not arrive in time"):
        await Arrivals(slow=10, share=10, seconds=0.7).wait("", never)


async def test_a_cancelled_wait_stays_cancelled() -> None:
    wait = asyncio.create_task(Arrivals(slow=10, share=10).wait("", never))
    await asyncio.sleep(0.01)
    wait.cancel()
    with pytest.raises(asyncio.CancelledError):
        await wait


async def test_one_caller_waits_for_its_turn_and_no_other_does() -> None:
    arrivals = Arrivals(slow=10, share=1)
    begun = []

    def read(name: str) -> "asyncio.Future[Any]":
        begun.append(name)
        return never()

    waits = [asyncio.create_task(arrivals.wait(who, lambda who=who: read(who))) for who in ("one", "one", "two")]
    await asyncio.sleep(0.01)
    assert begun == ["one", "two"]
    waits[0].cancel()
    await asyncio.sleep(0.01)
    assert begun == ["one", "two", "one"]
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)


async def test_nothing_is_kept_of_a_caller_whose_message_came() -> None:
    arrivals = Arrivals(slow=10, share=1)
    assert await arrivals.wait("one", lambda: asyncio.sleep(0, "message")) == "message"
    assert not arrivals._under_way
    assert not arrivals._begun
