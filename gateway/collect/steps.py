"""The steps of collection, in the order of `pipeline.build_steps`; each ends some events and passes on the rest."""

from collections.abc import Container

import msgspec

from domain.alias import SPELLED_KINDS, Alias
from domain.consent import State
from domain.errors import Refused
from domain.event import Call, CallType, encode_event
from domain.outcome import Outcome
from domain.topics import EVENTS
from domain.tracing import UNTRACED, Tracer
from gateway.collect.batch import Batch, Item, end_faulty
from gateway.collect.decode import LARGEST_EVENT, InvalidEvent, decode_event
from gateway.metrics import Metrics
from gateway.subjects import Subjects
from privacy.gate import gate
from privacy.likeness import filters_of, values_of
from privacy.protect import protect
from privacy.pseudonym import aliases_of, mentions_of
from privacy.signals.sources import Signal, signals_of, words_of
from privacy.wrapping import UnknownEpoch
from stores.eventlog.port import EventLog, Record


async def decode(batch: Batch) -> None:
    """Read each event into a call."""
    for item in batch.items:
        if len(item.raw) > LARGEST_EVENT:
            item.end(Outcome.TOO_LARGE, code="event_too_large")
            continue
        try:
            item.call = decode_event(item.raw, batch.call_type, batch.shared, batch.received_at)
        except InvalidEvent as error:
            item.end(Outcome.INVALID, code="invalid_event", message=str(error))
        except Exception as error:  # noqa: BLE001 - as in Batch.each: a fault of ours costs one event
            end_faulty(item, error)


async def validate(batch: Batch) -> None:
    """Hold each event to the workspace's tracking plan."""

    def check(item: Item, call: Call) -> None:
        problems = batch.workspace.plan.problems(call)
        if problems:
            item.end(Outcome.INVALID, code="invalid_event", message="; ".join(problems))

    batch.each(check)


class LookUp:
    """Finds who the events are about, all in one round trip, and ends those of erased people."""

    def __init__(self, subjects: Subjects) -> None:
        self._subjects = subjects

    async def __call__(self, batch: Batch) -> None:
        """Fill `aliases` and `stored` of each item, and the batch's `standing`."""
        mentions: dict[int, tuple[Alias, ...]] = {}

        def index(item: Item, call: Call) -> None:
            item.aliases = aliases_of(call, batch.workspace.keys, batch.workspace.rules)
            if not item.aliases:
                why = "a placeholder, not an id" if call.user_id or call.anonymous_id else "no identifier is given"
                item.end(Outcome.INVALID, code="invalid_event", message=f"userId, anonymousId: {why}")
            elif mentioned := mentions_of(call, batch.workspace.keys):
                mentions[id(item)] = mentioned

        batch.each(index)
        wanted = {alias: None for item, _ in batch.open for alias in item.aliases}
        wanted |= {alias: None for mentioned in mentions.values() for alias in mentioned}
        batch.standing = await self._subjects.look_up(batch.workspace, wanted)
        for item, _ in batch.open:
            self._stand(batch, item, mentions.get(id(item), ()))

    @staticmethod
    def _stand(batch: Batch, item: Item, mentions: tuple[Alias, ...]) -> None:
        standing = batch.standing
        subjects = [subject for subject in map(standing.subjects.get, item.aliases) if subject is not None]
        is_erased = standing.suppressed and not standing.suppressed.isdisjoint((*item.aliases, *mentions))
        if is_erased or any([subject.suppressed for subject in subjects]):  # noqa: C419 - they are one or two: a generator costs more
            item.end(Outcome.DROPPED_SUPPRESSED)
            return
        item.stored = tuple([subject.consent for subject in subjects])


class ReadSignals:
    """Reads what each event and its request say about consent, and counts what could not be read.

    What many events of a batch say in the same words is read once.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    async def __call__(self, batch: Batch) -> None:
        """Fill `signals` of each item. What the batch as a whole refuses, none of its events can grant."""
        meaning, at, shared = batch.workspace.meaning, batch.received_at, batch.shared.context
        signals = signals_of(shared, batch.headers, meaning, at)
        refusals = tuple(signal for signal in map(_refusals, signals) if signal.statements)
        known = {words_of(shared): signals}

        def read(item: Item, call: Call) -> None:
            item.words = words_of(call.context)
            found = known.get(item.words)
            if found is None:
                found = known[item.words] = (*signals_of(call.context, batch.headers, meaning, at), *refusals)
            item.signals = found
            for signal in found:
                if signal.reason is not None:
                    self._metrics.signals_refused.labels(signal.source, signal.reason.value).inc()

        batch.each(read)


def _refusals(signal: Signal) -> Signal:
    refused = {purpose: state for purpose, state in signal.statements.items() if state is not State.GRANTED}
    return msgspec.structs.replace(signal, statements=refused)


async def ask_gate(batch: Batch) -> None:
    """Let the gate decide on each event: what its sources say, against what it is for."""

    def ask(item: Item, call: Call) -> None:
        if item.event is not None:
            return
        said = [signal.statements for signal in item.signals]
        item.verdict = gate(call, batch.workspace.plan, [*batch.declared, *said, *item.stored])
        if item.verdict.dropped:
            problems = dict.fromkeys(signal.problem for signal in item.signals if signal.problem)
            item.end(Outcome.DROPPED_CONSENT, message="; ".join(problems) or None)
            return
        kinds = batch.workspace.plan.program(call, item.verdict.purposes).alias_kinds
        item.aliases = tuple([alias for alias in item.aliases if alias.kind in kinds])
        if not item.aliases:
            item.end(Outcome.DROPPED_CONSENT)

    batch.each(ask)


async def deduplicate(batch: Batch) -> None:
    """Keep the first event of each message id that the gate has passed; one that was refused stands in nobody's way.

    Those of other requests are told apart by the builder.
    """
    seen: set[str] = set()
    for item, call in batch.open:
        if call.message_id in seen:
            item.end(Outcome.DUPLICATE)
        seen.add(call.message_id)


class Enrol:
    """Gives each event its subject: that of its strongest identifier, made new where it is not known.

    The builder links the weaker identifiers to it.
    """

    def __init__(self, subjects: Subjects) -> None:
        self._subjects = subjects

    async def __call__(self, batch: Batch) -> None:
        """Fill `subject` of each item, and end those of people who may not become known again."""
        known = dict(batch.standing.subjects)
        waiting = [item for item, _ in batch.open if item.subject is None]
        for item in waiting:
            item.aliases = _known_first(item.aliases, known)
        unknown = {item.aliases[0]: None for item in waiting if item.aliases[0] not in known}
        known |= await self._subjects.enrol(batch.workspace, unknown)
        for item in waiting:
            item.subject = known.get(item.aliases[0])
            if item.subject is None or item.subject.suppressed:
                # They were erased after the look-up.
                item.end(Outcome.DROPPED_SUPPRESSED)


def _known_first(aliases: tuple[Alias, ...], known: Container[Alias]) -> tuple[Alias, ...]:
    """Let a known spelling of the strongest identifier lead, so that it names the subject and not a new one."""
    strongest = aliases[0]
    if strongest in known or strongest.kind not in SPELLED_KINDS:
        return aliases
    leader = next((alias for alias in aliases if alias.kind is strongest.kind and alias in known), strongest)
    return (leader, *(alias for alias in aliases if alias is not leader))


async def protect_events(batch: Batch) -> None:
    """Take the personal data out of each event. Nothing after this step sees any."""

    def take_out(item: Item, call: Call) -> None:
        subject, verdict = item.subject, item.verdict
        if item.event is not None or subject is None or verdict is None:
            return
        try:
            sealer = batch.workspace.keys.sealer(subject.id, subject.wrapped_key)
        except UnknownEpoch:
            # Another process has heard of a new key before this one: at the next try both have.
            item.end(Outcome.UNAVAILABLE, code="store_unavailable")
            return
        item.event, item.dropped = protect(
            call, verdict, item.aliases, sealer, batch.workspace.plan, proofs=item.proofs
        )
        if item.dropped:
            batch.losses.update(item.dropped.items())
        if batch.workspace.rules.matching and call.type is CallType.IDENTIFY:
            allowed = batch.workspace.plan.program(call, verdict.purposes).traits
            keys = batch.workspace.keys
            filters = filters_of(values_of(call.traits, allowed), keys.likeness_key())
            item.event = msgspec.structs.replace(item.event, likeness=filters, likeness_version=keys.index_version)

    batch.each(take_out)


class Append:
    """Puts the events on the log and ends each by the log's word: accepted means durable."""

    def __init__(self, log: EventLog, tracer: Tracer = UNTRACED) -> None:
        self._log = log
        self._tracer = tracer

    async def __call__(self, batch: Batch) -> None:
        """Append all events that are left in one write."""
        items: list[Item] = []
        records: list[Record] = []
        here = self._tracer.here()

        def write(item: Item, _call: Call) -> None:
            subject, event = item.subject, item.event
            if subject is None or event is None:
                raise AssertionError("an event reached the log unprotected")
            records.append(Record(subject.profile_id.bytes, encode_event(event), here))
            items.append(item)

        batch.each(write)
        if not records:
            return
        for item, failure in zip(items, await self._log.append(EVENTS, records), strict=True):
            if failure is None:
                item.end(Outcome.ACCEPTED)
            elif isinstance(failure, Refused):
                item.end(Outcome.INVALID, code="invalid_event", message=failure.detail)
            else:
                item.end(Outcome.UNAVAILABLE, code=failure.code)
