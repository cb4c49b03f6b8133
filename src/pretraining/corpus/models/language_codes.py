"""From the labels of language identifiers to ``code_Script``: ISO 639-3 and ISO 15924, as FineWeb-2 writes them."""

from __future__ import annotations

from pretraining.corpus.scripts import main_script, script_counts

_PAIRS = """
af afr am amh an arg ar arb as asm av ava az azj ba bak be bel bg bul bh bho bn ben bo bod br bre bs bos ca cat ce che
co cos cs ces cv chv cy cym da dan de deu dv div dz dzo el ell en eng eo epo es spa et ekk eu eus fa fas fi fin fo fao
fr fra fy fry ga gle gd gla gl glg gn gug gu guj gv glv ha hau he heb hi hin hr hrv ht hat hu hun hy hye ia ina id ind
ie ile ig ibo io ido is isl it ita ja jpn jv jav ka kat kk kaz km khm kn kan ko kor ku kmr kv kpv kw cor ky kir la lat
lb ltz lg lug li lim ln lin lo lao lt lit lv lvs mg plt mk mkd ml mal mn khk mr mar ms zsm mt mlt my mya ne npi nl nld
nn nno no nob oc oci om gaz or ory os oss pa pan pl pol ps pbt pt por qu quy rm roh ro ron ru rus rw kin sa san sc srd
sd snd se sme sh hbs si sin sk slk sl slv sn sna so som sq als sr srp st sot su sun sv swe sw swh ta tam te tel tg tgk
th tha tk tuk tl fil tr tur tt tat ug uig uk ukr ur urd uz uzn vi vie vo vol wa wln xh xho yi ydd yo yor zh cmn zu zul
als gsw nah nhe ara arb aze azj est ekk kom kpv kur kmr lav lvs mlg plt mon khk msa zsm nep npi nor nob ori ory orm gaz
pus pbt que quy sqi als swa swh tgl fil uzb uzn yid ydd zho cmn
"""
_WORDS = _PAIRS.split()
ISO_639_3 = dict(zip(_WORDS[::2], _WORDS[1::2], strict=True))
"""Label to ISO 639-3. Of a macrolanguage, the member that FineWeb-2 names (``zh``, ``zho`` cmn, ``et``, ``est`` ekk).
``als`` is Wikipedia's label for Alemannic (gsw); three-letter labels that are not here are ISO 639-3 themselves."""

_THREE_LETTERS = """
ace ary arz ast azb bar bcl bpy bxr cbk ceb ckb crh diq dsb dty eml ext frr fuv gcf gcr gom grc gug guw hbo hif hsb ilo
jbo kab kik krc lez lij lmo lrc ltg mai mhr min mrj mwl myv mzn nap nds new nso pam pcm pfl pms pnb rue sah scn sco sdh
tyv uzs vec vep vls war wuu xal xmf yue
"""

_BY_SCRIPT = {
    "Latn": "srp hbs bos uzn kmr azj tat crh gom",  # the others are Latin only
    "Cyrl": "rus ukr bel bul mkd srp hbs bos kaz kir tgk khk tat bak chv che ava oss sah tyv kpv mhr mrj myv xal krc "
    "lez bxr rue uzn azj crh",
    "Arab": "arb arz ary fas urd pbt ckb pnb snd uig azb lrc mzn sdh uzs kmr",
    "Deva": "hin mar npi san bho mai dty gom new snd",
    "Beng": "ben asm bpy",
    "Hebr": "heb ydd hbo",
    "Grek": "ell grc",
    "Geor": "kat xmf",
    "Tibt": "bod dzo",
    "Hani": "cmn yue wuu",
    **{"Jpan": "jpn", "Hang": "kor", "Guru": "pan", "Gujr": "guj", "Orya": "ory", "Taml": "tam", "Telu": "tel"},
    **{"Knda": "kan", "Mlym": "mal", "Sinh": "sin", "Thai": "tha", "Laoo": "lao", "Mymr": "mya", "Ethi": "amh"},
    **{"Khmr": "khm", "Armn": "hye", "Thaa": "div"},
}
SCRIPTS: dict[str, list[str]] = {}
"""The scripts that a language (ISO 639-3) is usually written in; of those that are not here: Latin."""
for _script, _languages in _BY_SCRIPT.items():
    for _language in _languages.split():
        SCRIPTS.setdefault(_language, []).append(_script)

UNDETERMINED = "und"
"""ISO 639-3 for a text of which the identifier knows nothing."""


OWN_SHARE = 0.1
"""A text is in a usual script of its language if that has this share of the letters: Chinese text about software may
well have more Latin letters than Han."""


def language_code(label: str, text: str) -> str:
    """``code_Script`` for a label and the text that it was given for: ``sr`` is ``srp_Cyrl`` or ``srp_Latn``.

    The script is a usual one of the language where the text has it (``OWN_SHARE``), else that of most letters: pinyin
    is ``cmn_Latn``. A label that says its script (GlotLID: ``eng_Latn``) stays as it is.
    """
    if "_" in label:
        return label
    language = ISO_639_3.get(label, label)
    counts = script_counts(text)
    own = max(SCRIPTS.get(language, ["Latn"]), key=lambda script: counts[script])
    if counts[own] and counts[own] >= OWN_SHARE * counts.total():
        return f"{language}_{own}"
    return f"{language}_{main_script(text)}"


def usual_codes(label: str) -> list[str]:
    """The codes of a label (ISO 639-1 or 639-3): ``sr`` gives ``srp_Latn`` and ``srp_Cyrl``."""
    return _in_its_scripts(ISO_639_3.get(label, label))


def _in_its_scripts(language: str) -> list[str]:
    return [f"{language}_{script}" for script in SCRIPTS.get(language, ["Latn"])]


KNOWN_CODES = {
    code for language in {*ISO_639_3.values(), *_THREE_LETTERS.split()} for code in _in_its_scripts(language)
}
"""What lid.176 and py3langid can find out: every language of theirs in its usual scripts."""
