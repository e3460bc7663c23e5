from xml.etree import ElementTree

import pytest

from mapsr_cli.criteria import methods
from mapsr_cli.criteria.mae import MAE
from mapsr_cli.criteria.mse import MSE
from mapsr_cli.imaging import FORMATS, Tags
from mapsr_cli.imaging.digital_source import COMPOSITE, ENHANCED, VOCABULARY, digital_source, labelled
from mapsr_cli.zoo import checkpoint

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
NAME = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
SCHEMA = "xmlns:Iptc4xmpExt='http://iptc.org/std/Iptc4xmpExt/2008-02-29/'"
WRAPPED = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    f'<rdf:RDF xmlns:rdf="{RDF[1:-1]}">\n%s\n</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)
TITLED = '<rdf:Description rdf:about="uuid:1" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="image/png"/>'


def types(xmp: bytes) -> list[str]:
    """What an XML parser finds, in all forms of the property."""
    root = ElementTree.fromstring(xmp.decode().split("?>", 1)[1].rsplit("<?xpacket", 1)[0])
    found = [description.get(NAME) for description in root.iter(f"{RDF}Description")]
    found += [element.get(f"{RDF}resource") or element.text for element in root.iter(NAME)]
    return [value.strip() for value in found if value]


def packet(description: str) -> bytes:
    return (WRAPPED % description).encode()


@pytest.mark.parametrize("term", [ENHANCED, COMPOSITE])
@pytest.mark.parametrize("xmp", [None, packet(""), packet(TITLED)], ids=["none", "empty", "titled"])
def test_it_is_added(xmp: bytes | None, term: str) -> None:
    tags, label = labelled(Tags(xmp=xmp), term, "PNG")
    assert tags.xmp is not None
    assert (label, digital_source(tags.xmp), types(tags.xmp)) == (term, term, [VOCABULARY + term])
    if xmp == packet(TITLED):
        assert TITLED.encode() in tags.xmp
        assert tags.xmp.count(b'rdf:about="uuid:1"') == 2  # one packet is about one thing


FORMS = (
    f'<rdf:Description rdf:about="" {SCHEMA} Iptc4xmpExt:DigitalSourceType = "%s"/>',
    f"<rdf:Description {SCHEMA}><Iptc4xmpExt:DigitalSourceType>%s</Iptc4xmpExt:DigitalSourceType></rdf:Description>",
    f"<rdf:Description {SCHEMA}><Iptc4xmpExt:DigitalSourceType rdf:resource='%s'/></rdf:Description>",
    FORM_WITH_ANOTHER_PREFIX := '<rdf:Description xmlns:q="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    'q:DigitalSourceType="%s"/>',
)


@pytest.mark.parametrize("form", FORMS)
def test_another_one_is_replaced(form: str) -> None:
    before = packet(form % f"{VOCABULARY}digitalCapture")
    assert digital_source(before) == "digitalCapture"
    tags, label = labelled(Tags(xmp=before), ENHANCED, "JPEG")
    assert tags.xmp is not None
    assert (label, types(tags.xmp)) == (ENHANCED, [VOCABULARY + ENHANCED])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("before", "term", "after"),
    [
        ("trainedAlgorithmicMedia", COMPOSITE, "trainedAlgorithmicMedia"),
        (COMPOSITE, ENHANCED, COMPOSITE),
        ("compositeSynthetic", COMPOSITE, COMPOSITE),
        ("compositeSynthetic", ENHANCED, "compositeSynthetic"),
    ],
)
def test_what_says_more_is_kept(form: str, before: str, term: str, after: str) -> None:
    tags, label = labelled(Tags(xmp=packet(form % f"{VOCABULARY}{before}")), term, "TIFF")
    assert tags.xmp is not None
    assert (label, types(tags.xmp)) == (after, [VOCABULARY + after])


@pytest.mark.parametrize("damaged", [b"<x", b"<rdf:RDF", packet("").replace(b"</rdf:RDF>", b""), b"\xff\xfe\0<"])
def test_damaged_xmp_stays_as_it_is(damaged: bytes) -> None:
    assert labelled(tags := Tags(xmp=damaged), ENHANCED, "PNG") == (tags, None)


def test_xmp_of_a_jpeg_is_not_lost_to_the_label() -> None:
    long = Tags(xmp=packet(TITLED + " " * (65_500 - len(packet(TITLED)))))
    assert labelled(long, ENHANCED, "JPEG") == (long, None)
    assert labelled(long, ENHANCED, "PNG")[1] == ENHANCED


def test_formats_without_xmp_get_none() -> None:
    without = {name for name in FORMATS if labelled(Tags(), ENHANCED, name)[1] is None}
    assert without == {"BMP"}


def test_models_of_the_mse_kind_are_those_of_the_methods() -> None:
    averaging = {name for name, method in methods.METHODS.items() if method.criterion in (MSE, MAE)}
    assert set(checkpoint._AVERAGING) == averaging
