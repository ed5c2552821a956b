"""What is behind the doors: the store, who may come in, the services, and the guard before them."""

import contextlib
import math
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from grpc_health.v1 import health_pb2

from phoenix_grpc import contract
from phoenix_grpc.beside import beside
from phoenix_grpc.config import Settings
from phoenix_grpc.contract import Method, Rule
from phoenix_grpc.credentials.signing_keys import SigningKeys
from phoenix_grpc.credentials.tokens import KeyRing
from phoenix_grpc.guard.admission import Behavior, Guard
from phoenix_grpc.guard.authentication import Authenticator
from phoenix_grpc.guard.capacity import ByteBudget, Rooms
from phoenix_grpc.guard.foreign_tokens import ForeignTokens
from phoenix_grpc.guard.overload import Watchdog
from phoenix_grpc.guard.rates import CallRates, RateLimit
from phoenix_grpc.guard.refusals import RefusalRecorder
from phoenix_grpc.identity.workloads import Workloads
from phoenix_grpc.logs import LogWriter
from phoenix_grpc.rpc import reflection
from phoenix_grpc.server import background
from phoenix_grpc.server.beginning import Beginning
from phoenix_grpc.server.metrics import Reading
from phoenix_grpc.server.observing import Observing
from phoenix_grpc.server.signing_key import follow as follow_keys
from phoenix_grpc.server.signing_key import open_key_ring
from phoenix_grpc.server.worker import Worker
from phoenix_grpc.services import external
from phoenix_grpc.services.auth.servicer import AuthServicer
from phoenix_grpc.services.datasets.servicer import DatasetsServicer
from phoenix_grpc.store.engine import Engine
from phoenix_grpc.store.opening import open_engine
from phoenix_grpc.v1 import access_pb2

_LOGINS_AT_ONCE = 30
_LOGINS_PER_MINUTE = 30


@dataclass(frozen=True, slots=True)
class Identities:
    """Who may come in, and what vouches for them.

    Arguments:
        keys: sign access tokens that others verify; None where the secret signs them.
        ring: signs and verifies all tokens.
        workloads: those who need no credential, and the issuers whose tokens count; None where there are none.
    """

    keys: SigningKeys | None
    ring: KeyRing
    workloads: Workloads | None
    authenticator: Authenticator

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Takes up changes of their files until the block ends."""
        jobs = ([follow_keys(self.keys)] if self.keys else []) + ([self.workloads.follow()] if self.workloads else [])
        async with beside(*jobs):
            yield


@dataclass(frozen=True, slots=True)
class Core:
    """What the doors share.

    Arguments:
        budget: of the memory that requests hold.
        logins: how often one address may log in.
        beginning: says whether the server can serve.
    """

    settings: Settings
    observing: Observing
    engine: Engine
    identities: Identities
    guard: Guard
    budget: ByteBudget
    logins: RateLimit
    beginning: Beginning


@contextlib.asynccontextmanager
async def core(settings: Settings, log_writer: LogWriter | None, worker: Worker) -> AsyncIterator[Core]:
    """Opens the store, and runs what works beside the calls, until the block ends.

    Raises:
        ConfigurationError: when a setting or the database stops the start.
    """
    methods = served_methods(settings)
    async with contextlib.AsyncExitStack() as stack:
        observing = Observing(settings, methods, log_writer)
        stack.push_async_callback(observing.close)
        engine = observing.engine(_open(settings))
        stack.push_async_callback(engine.close)
        identities = _identities(settings, engine)
        await stack.enter_async_context(identities.following())
        beginning = Beginning(engine, settings)
        await stack.enter_async_context(beginning.running())
        refusals = RefusalRecorder(engine, methods)
        await stack.enter_async_context(
            background.running(engine, settings, identities.authenticator, refusals, identities.ring, worker.maintains)
        )
        auth = AuthServicer(engine, settings, identities.ring, methods)
        stack.push_async_callback(auth.close)
        datasets = DatasetsServicer(engine, settings)
        rooms, watchdog = Rooms(settings.max_concurrent_calls), Watchdog(settings.max_loop_lag_seconds)
        await stack.enter_async_context(beside(watchdog.watch()))
        observing.readings.update(_readings(rooms, watchdog, identities, datasets))
        logins, served = _login_rate(settings, worker), _behaviors(auth, datasets)
        guard = Guard(
            methods,
            served,
            identities.authenticator if settings.enable_auth else None,
            engine,
            rooms,
            logins,
            (*observing.observers(), refusals),
            _call_rates(settings, worker),
            watchdog,
            observing.trace,
            identities.workloads,
        )
        if identities.workloads is not None:
            asked = external.ExternalAuthorization(identities.workloads, refusals)
            served[external.CHECK] = lambda request: asked.check(guard.judge, request)
        # One of each for both doors: memory and passwords are the same for both.
        budget = ByteBudget(settings.max_inflight_bytes)
        yield Core(settings, observing, engine, identities, guard, budget, logins, beginning)


def _identities(settings: Settings, engine: Engine) -> Identities:
    keys = SigningKeys(settings.signing_keys_dir) if settings.signing_keys_dir else None
    ring = open_key_ring(settings, keys)
    workloads = Workloads(settings.identity_file) if settings.identity_file else None
    foreign = ForeignTokens(workloads) if workloads else None
    return Identities(keys, ring, workloads, Authenticator(engine, settings, ring, foreign))


def _readings(
    rooms: Rooms, watchdog: Watchdog, identities: Identities, datasets: DatasetsServicer
) -> dict[str, Reading]:
    """What gauges and totals of the metrics read."""
    downloads, workloads = datasets.downloads, identities.workloads
    return {
        "calls_in_flight": lambda: rooms.running,
        "loop_lag_seconds": lambda: watchdog.lag,
        "shedding": lambda: watchdog.sheds,
        "identity_file_valid": lambda: workloads.valid if workloads else None,
        "forwarded_certificates": lambda: workloads.forwarded if workloads else None,
        "credential_lookups": lambda: identities.authenticator.lookups,
        "examples": lambda: {"uploaded": datasets.uploaded_examples, "downloaded": downloads.examples},
        "file_bytes": lambda: {"uploaded": datasets.uploaded_bytes, "downloaded": downloads.file_bytes},
    }


def _open(settings: Settings) -> Engine:
    return open_engine(
        settings.database_url,
        settings.sqlite_busy_seconds,
        settings.disk_reserve_bytes,
        settings.sql_pool_size,
        settings.sql_prepared_statements,
        settings.sql_replica_url,
        settings.sql_migration_url,
        waits=True,
    )


def _login_rate(settings: Settings, worker: Worker) -> RateLimit:
    """This worker's share of how often one address may log in."""
    at_once = math.inf if settings.disable_rate_limit else max(1, _LOGINS_AT_ONCE // worker.count)
    return RateLimit(at_once, _LOGINS_PER_MINUTE / worker.count)


def _call_rates(settings: Settings, worker: Worker) -> CallRates:
    """This worker's share of how often calls may begin."""
    return CallRates(
        settings.max_calls_per_second_per_caller / worker.count,
        settings.max_calls_per_second_per_address / worker.count,
        settings.call_burst_seconds,
    )


def _behaviors(auth: AuthServicer, datasets: DatasetsServicer) -> dict[str, Behavior]:
    """The servicer's method for each of our methods, by path."""
    services = {"AuthService": auth, "DatasetsService": datasets}
    return {
        path: getattr(services[method.service.rpartition(".")[2]], method.name)
        for path, method in contract.METHODS.items()
    }


def served_methods(settings: Settings) -> Mapping[str, Method]:
    """Every method this server serves, by path: ours, and those of health, reflection and external authorization."""
    reflects = contract.PUBLIC if settings.grpc_reflection else Rule(access_pb2.ACCESS_READ)
    return {
        **contract.METHODS,
        **contract.declared([health_pb2.DESCRIPTOR], contract.PUBLIC),
        **contract.declared(reflection.descriptors(), reflects),
        **(external.METHODS if settings.identity_file else {}),
    }
