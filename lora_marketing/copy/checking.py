"""What becomes of a text before it is shown: its new pieces are put in, it is mended, and guarded."""

from __future__ import annotations

from collections.abc import Sequence

from lora_marketing.brands.brand import Brand
from lora_marketing.channels.structure import AD, Piece, pieces, write_ad
from lora_marketing.common.documents import Frozen
from lora_marketing.copy.mending import Mending, is_complete, mend
from lora_marketing.copy.record import Copy, Rewritten
from lora_marketing.guards import Case, findings, verdict


class RewrittenPiece(Frozen):
    """A piece of an ad as it stands there, and the copy that was written for it again."""

    piece: Piece
    written: Copy


class Draft(Frozen):
    """What a round wrote of one variant: the whole text, or an ad of earlier rounds and its new pieces."""

    written: Copy
    again: tuple[RewrittenPiece, ...] = ()


def checked(draft: Draft, case: Case) -> Copy:
    """The copy with its new pieces, mended, with what the guards find and their verdict.

    Args:
        draft: what was written.
        case: what it is held against; the brief and whether it is whole are the copy's own.
    """
    copy = _with_pieces(draft.written, draft.again, case.brand) if draft.again else draft.written
    text, mendings = mended_text(copy, case.brand)
    whole = is_complete(text, copy.brief, copy.stopped)
    own = Case(copy.brief, case.brand, whole, case.today, case.known, case.others)
    found = findings(text, own)
    return copy.changed(text=text, mended=[*copy.mended, *mendings], findings=found, verdict=verdict(found))


def mended_text(copy: Copy, brand: Brand) -> tuple[str, list[Mending]]:
    """The text, piece by piece if it is an ad, and what was mended in it."""
    if copy.brief.field != AD:
        mended = mend(copy.text, brand, cut=not copy.stopped)
        return mended.text, list(mended.mendings)
    ad: dict[str, list[str]] = {}
    done: list[Mending] = []
    for piece in pieces(copy.text, copy.brief):
        mended = mend(piece.text, brand)
        ad.setdefault(piece.field, []).append(mended.text)
        done += _of_piece(piece, mended.mendings)
    return (write_ad(ad), done) if done else (copy.text, [])


def _with_pieces(ad: Copy, again: Sequence[RewrittenPiece], brand: Brand) -> Copy:
    """An ad with the pieces that were written again, but for those that are cut."""
    new: dict[tuple[str, int], str] = {}
    rewritten = []
    done: list[Mending] = []
    for one in again:
        piece, copy = one.piece, one.written
        mended = mend(copy.text, brand, cut=not copy.stopped)
        if mended.text and is_complete(mended.text, copy.brief, copy.stopped):
            new[piece.field, piece.number] = mended.text
            done += _of_piece(piece, mended.mendings)
            rewritten.append(
                Rewritten(
                    field=piece.field,
                    number=piece.number,
                    seed=copy.seed,
                    prompt_sha256=copy.prompt_sha256,
                    tokens=copy.tokens,
                )
            )
    texts: dict[str, list[str]] = {}
    for piece in pieces(ad.text, ad.brief):
        texts.setdefault(piece.field, []).append(new.get((piece.field, piece.number), piece.text))
    return ad.changed(text=write_ad(texts), rewritten=[*ad.rewritten, *rewritten], mended=[*ad.mended, *done])


def _of_piece(piece: Piece, mendings: Sequence[Mending]) -> list[Mending]:
    where = f"{piece.field} {piece.number + 1}"
    return [one.model_copy(update={"piece": where}) for one in mendings]
