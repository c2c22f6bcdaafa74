"""The login's values that are kept as secrets, and the names by which a site's lines refer to them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING, Self

from doorkey.errors import ConfigurationError

if TYPE_CHECKING:
    from doorkey.config.secret_store import SecretStore
    from doorkey.recognition.proposal import Line

KINDS = ("user", "password")
KEPT = "kept by `doorkey secret`; or env:NAME, file:PATH, command:PROGRAM"


@dataclass(frozen=True, slots=True)
class KeptLogin:
    """`values` are by the names of environment variables that stand for them in the lines; `names` are the secrets'."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    names: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def choose(cls, site: str, values: Mapping[str, str]) -> Self:
        """Return *values* of *site*'s login under names that no secret has. Raises ConfigurationError."""
        if not values:
            return cls()
        taken = _open().names()
        names = {}
        for variable in values:
            kind = next(kind for kind in KINDS if variable.endswith(kind.upper()))
            wanted = f"{site[:48].strip('-_')}-{kind}"
            free = (wanted if number == 1 else f"{wanted}-{number}" for number in count(1))
            names[variable] = next(name for name in free if name not in taken)
        return cls(dict(values), names)

    @property
    def places(self) -> dict[str, str]:
        """The references to the secrets, by those to the environment variables."""
        return {f"env:{variable}": f"secret:{name}" for variable, name in self.names.items()}

    def narrow(self, places: Collection[str]) -> KeptLogin:
        """Return those that *places* refer to."""
        names = {variable: name for variable, name in self.names.items() if f"secret:{name}" in places}
        return KeptLogin({variable: self.values[variable] for variable in names}, names)

    def comment(self, lines: Sequence[Line]) -> tuple[Line, ...]:
        """Return *lines* with comments that say where the values come from."""
        from doorkey.recognition.proposal import FROM_ENVIRONMENT

        if not self.names:
            return tuple(lines)
        return tuple(
            replace(line, inside=tuple(KEPT if each == FROM_ENVIRONMENT else each for each in line.inside))
            for line in lines
        )

    def lend(self) -> AbstractContextManager[None]:
        """Let logins of this process use the values, until they are stored."""
        from doorkey.config.secrets import lend_secrets

        return lend_secrets({name: self.values[variable] for variable, name in self.names.items()})

    @contextmanager
    def stored(self) -> Iterator[None]:
        """Store the secrets; forget them again if what follows fails. Raises ConfigurationError."""
        if not self.values:
            yield
            return
        store = _open()
        if taken := set(self.names.values()) & set(store.names()):
            raise ConfigurationError(f"the secret {min(taken)} was stored meanwhile, so nothing was written: try again")
        try:
            for variable, name in self.names.items():
                store.set(name, self.values[variable])
            yield
        except BaseException:
            for name in self.names.values():
                store.forget(name)
            raise

    @property
    def place(self) -> str:
        """Where the secrets are kept."""
        return _open().place


NOTHING = KeptLogin()


def _open() -> SecretStore:
    from doorkey.config.secret_store import open_store
    from doorkey.config.settings import state_dir

    return open_store(state_dir())
