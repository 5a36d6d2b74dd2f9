"""Whether a corpus has documents enough to learn topics from."""

from etm_jax.util.errors import UserError

FEW_DOCUMENTS = 10
"""With fewer, what the filters leave says nothing: there is too little text, whatever the settings."""


def check_enough(docs: int) -> None:
    """Raise UserError, where filtering has left too little, if that is for want of documents. docs: that were read."""
    if docs >= FEW_DOCUMENTS:
        return
    how = (
        "all of its text is one document, as each line of a file is one; part the text into lines"
        if docs == 1
        else f"there are only {docs} documents, each line of a text file being one; give more"
    )
    raise UserError(f"the corpus is too small for topics: {how}, a few dozen at least and better some hundreds")
