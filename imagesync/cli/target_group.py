"""What a command for several targets was asked -> the order of its targets, and what runs them. Opens backends."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from imagesync.backends.base import Backend, MissingStore
from imagesync.cli.approval import Approval
from imagesync.cli.fleet_options import FleetOptions, FleetRun
from imagesync.cli.options import Options
from imagesync.cli.runs import make_unlock_command
from imagesync.cli.several_subjects import Subjects, read_subjects
from imagesync.cli.streams import say
from imagesync.cli.target_options import SharingOptions, TargetChoice
from imagesync.cli.targets import StoreNotes, locate, open_selected
from imagesync.model.catalog import Catalog
from imagesync.model.plan import Plan
from imagesync.run import Settings
from imagesync.sources import SourceAccess
from imagesync.targets.carrier import Carrier, ThreadCarrier
from imagesync.targets.worker import Order, Worker
from imagesync.workflow import Maker


@dataclass(frozen=True, slots=True)
class Group:
    """What a command for several targets was asked. ``saved``: the JSON of a saved plan; None for manifests.

    ``stores``: the stores that do not exist, for one note.
    """

    path: Path
    options: Options
    chosen: TargetChoice
    make: Maker
    access: SourceAccess
    is_quiet: bool
    saved: Any = None
    approval: Approval = field(default_factory=Approval)
    fleet: FleetOptions = field(default_factory=FleetOptions)
    stores: StoreNotes = field(default_factory=StoreNotes)

    def read_subjects(self) -> Subjects:
        """What each target gets, and its wave. On a fleet, the workers read the lists of digests."""
        is_local = self.fleet.on is None
        return read_subjects(self.path, self.options, self.chosen, self.access, self.saved, identifies=is_local)

    def make_order(
        self, missing: MissingStore, settings: Settings, folder: Path = Path(), *, accepts_changes: bool = False
    ) -> Order:
        """What is asked of each target."""

        def open_target(subject: Catalog | Plan) -> Backend:
            target = replace(locate(subject), name=subject.target_name) if isinstance(subject, Plan) else subject.target
            report = self.stores.make_report(str(target.name))
            return open_selected(self.options, target, missing=missing, is_quiet=self.is_quiet, report=report)

        return Order(
            open_target,
            self.options.policy,
            self.make,
            settings,
            self.access,
            accepts_changes=accepts_changes,
            folder=os.path.abspath(folder),
            unlock=lambda name: make_unlock_command(self.path, replace(self.options, target=name)),
            find_reviewed=self.approval.find_reviewed,
        )

    @contextmanager
    def open_carrier(self, subjects: Subjects, order: Order, sharing: SharingOptions | None) -> Iterator[Carrier]:
        """What runs the targets: threads of this process, or the workers of a fleet."""
        if self.fleet.on is not None:
            if sharing is not None:
                sharing.refuse_on_fleet()
            run = FleetRun(
                order.settings.lock_timeout,
                order.folder,
                accepts_changes=order.accepts_changes,
                creates_stores=sharing is not None,
                find_reviewed=order.find_reviewed,
                unlock=order.unlock,
            )
            with self.fleet.open_carrier(self.path, self.options, subjects.by_target, run) as fleet:
                yield fleet
            return
        with ExitStack() as opened:
            shared = sharing.share(subjects.waves, say) if sharing is not None else None
            if shared is not None:
                opened.enter_context(shared)
            worker = Worker(order, subjects.by_target, shared, self.chosen.parallel)
            opened.callback(worker.close)
            yield ThreadCarrier(worker, self.chosen.parallel)
