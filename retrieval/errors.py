"""Everything that Parallax refuses, each with what, what was wanted, what to do."""


class LabError(Exception):
    """Base of all; its text is one sentence for a person."""


class UnknownName(LabError):
    """A name that no plug-in or gallery has, or that two would have."""


class BadKnob(LabError):
    """A setting that is not declared, or outside its range."""


class BadQuery(LabError):
    """A query that cannot be asked: no text, k out of range, an empty crop."""


class BadImage(LabError):
    """Bytes that are no picture, or one that must not be decoded."""


class BadVectors(LabError):
    """Vectors of the wrong shape, type or length, or not finite."""


class Unsupported(LabError):
    """Asked for what the plug-in has declared that it cannot do."""


class NotReady(LabError):
    """A plug-in that lacks a library, a download, a key, or access."""


class Refused(LabError):
    """Not allowed: in public mode, or because it would cost money that nobody agreed to."""


class Damaged(LabError):
    """A stored file that differs from its manifest."""


class Unreachable(LabError):
    """A server that does not answer."""


class Stopped(LabError):
    """Work that somebody cancelled; what was finished is kept."""
