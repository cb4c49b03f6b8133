"""The ``privacy`` step: which personal data is replaced, and when a document holds too much of it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field

from pretraining.corpus.sections.base import StepSection

PatternType = Literal[
    "SECRET_KEY",
    "EMAIL_ADDRESS",
    "IBAN_CODE",
    "CN_RESIDENT_ID",
    "CREDIT_CARD",
    "US_SSN",
    "PASSPORT",
    "IP_ADDRESS",
    "PHONE_NUMBER",
]
EntityType = Literal["PERSON", "LOCATION"]

PATTERN_TYPES: tuple[PatternType, ...] = get_args(PatternType)
"""What is found by form and checksum, without a model. Where matches overlap and score alike, the earlier type wins."""
ENTITY_TYPES: tuple[EntityType, ...] = get_args(EntityType)
"""What only a model for named entities can find."""
REGIONS = ("US", "CN", "GB", "DE", "FR", "ES", "IT", "JP", "KR", "IN", "BR", "RU")
"""Regions (ISO 3166) whose national phone formats are known when the recipe names none."""


class PrivacyStep(StepSection):
    """Replace personal data by placeholders, and remove documents that hold too much of it.

    Types are named as in Microsoft Presidio. Numbers count only if they pass the checks of their kind: Luhn and the
    issuer's prefix (credit card), mod 97 and the country's length (IBAN), ISO 7064 mod 11-2 and a date (Chinese
    resident ID), the numbering plan (phone, by ``phonenumbers``). Kept, because they belong to nobody: addresses of
    private and documentation networks and of public DNS resolvers, mail addresses at ``example.com`` and other reserved
    domains, version numbers.
    """

    implementation: ClassVar[str] = "privacy.step:Privacy"

    type: Literal["privacy"]
    types: list[PatternType | EntityType] = Field(default=list(PATTERN_TYPES), min_length=1)
    """What is looked for; all that need no model when left out. ``PERSON`` and ``LOCATION`` need ``ner_model``."""
    max_replaced: int | None = Field(default=5, ge=0)
    """More matches than this: removed; up to it: replaced. Dolma's rule (Soldaini et al. 2024, arXiv 2402.00159): five
    or fewer are masked, with six or more the document goes. None: always replace."""
    replace_with: str = Field(default="[{type}]", pattern=r"^[^0-9@]{0,32}$")
    """What stands in place of a match; ``{type}`` becomes its type: ``[EMAIL_ADDRESS]``. No digits and no ``@``."""
    regions: list[Annotated[str, Field(pattern="^[A-Z]{2}$")]] = list(REGIONS)
    """Regions (ISO 3166: ``US``, ``CN``) whose phone numbers are found without ``+`` and country code."""
    ner_model: str | None = None
    """Folder of a model for named entities: a transformers token classifier (``config.json``), or a spaCy pipeline
    (``meta.json``), which is run through ``presidio-analyzer``. Relative paths start from the recipe's folder."""
