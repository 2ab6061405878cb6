"""What a GS1 resolver answers: which of an item's links is meant, and the list of all of them.

Source: GS1-Conformant Resolver Standard, release 1.2 (with GS1 Digital Link Standard: Resolution), and RFC 9264 for
link sets. A link here is a dict with ``type`` (name in the GS1 Web Vocabulary), ``href``, ``title`` and, each
perhaps empty, ``language`` (BCP 47), ``media`` (media type) and ``default``.
"""

import re
from urllib.parse import quote, urlsplit

VOCABULARY = "https://ref.gs1.org/voc/"
SAME_AS = "http://www.w3.org/2002/07/owl#sameAs"
LINKSET_TYPE = "application/linkset+json"
MAX_QUERY = 2048
MAX_HEADER = 4096

#: {link type of the GS1 Web Vocabulary that is offered: title}
LINK_TYPES = {
    "pip": "Product Information Page",
    "allergenInfo": "Allergen Information",
    "appDownload": "App Download",
    "certificationInfo": "Certification Information",
    "consumerHandlingStorageInfo": "Handling and Storage",
    "epcis": "EPCIS Repository",
    "epil": "Electronic Leaflet",
    "faqs": "Frequently Asked Questions",
    "hasRetailers": "Retailers",
    "homepage": "Organisation Page",
    "ingredientsInfo": "Ingredients",
    "instructions": "Instructions",
    "leaveReview": "Leave a Review",
    "locationInfo": "Location Information",
    "logisticsInfo": "Logistics Information",
    "masterData": "Master Data",
    "nutritionalInfo": "Nutritional Information",
    "promotion": "Promotion",
    "quickStartGuide": "Quick Start Guide",
    "recallStatus": "Recall Status",
    "recipeInfo": "Recipes",
    "registerProduct": "Register the Purchase",
    "relatedVideo": "Video",
    "review": "Reviews",
    "safetyInfo": "Safety Information",
    "serviceInfo": "Service Information",
    "socialMedia": "Social Media",
    "support": "Support",
    "sustainabilityInfo": "Sustainability and Recycling",
    "traceability": "Traceability",
    "tutorial": "Tutorial",
    "verificationService": "Verification",
    "whatsInTheBox": "What Is in the Box",
}
_CURIE = re.compile(r"(?:gs1:|https?://(?:ref\.|www\.)?gs1\.org/voc/)?([A-Za-z]{2,60})")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
_MEDIA = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+-]{0,80}")


def read_link_type(text):
    """Name of the link type asked for: ``linkset``, ``defaultLink``, one of the vocabulary, or None for no such.

    Both ``gs1:pip`` and the full address are understood; ``all`` is how release 1.0 asked for the link set.
    """
    match = _CURIE.fullmatch(text)
    if not match:
        return None
    return "linkset" if match[1] == "all" else match[1]


def choose(links, link_type=None, languages=(), media_types=()):
    """The link to redirect to, or None when there is none of the type asked for.

    :param list links: the nearest level first
    :param link_type: as :func:`read_link_type` answers; None or ``defaultLink`` for the default
    :param languages: accepted languages, best first
    :param media_types: accepted media types, best first
    """
    if link_type in (None, "defaultLink", "defaultLinkMulti"):
        default = next((link for link in links if link.get("default")), links[0] if links else None)
        alike = [link for link in links if default and link["type"] == default["type"]]
        # Something in the request must match better, else the default it is.
        better = [link for link in alike if link.get("language") and _language_rank(link, languages) >= 0]
        return min(better, key=lambda link: _language_rank(link, languages)) if better else default
    candidates = [link for link in links if link["type"] == link_type]
    if not candidates:
        return None
    return min(candidates, key=lambda link: (_rank(link, languages), _media_rank(link, media_types)))


def _language_rank(link, languages):
    """Place of the best accepted language that the link has, -1 for none; zh accepts zh-Hans and the other way."""
    own = (link.get("language") or "").lower()
    for place, language in enumerate(languages):
        wanted = language.lower()
        if own and (own == wanted or own.split("-")[0] == wanted.split("-")[0]):
            return place
    return -1


def _rank(link, languages):
    place = _language_rank(link, languages)
    if place >= 0:
        return place
    return len(languages) + (1 if link.get("language") else 0)


def _media_rank(link, media_types):
    own = (link.get("media") or "text/html").lower()
    return next((place for place, media in enumerate(media_types) if media.lower() == own), len(media_types))


def linkset(levels, description, same_as=None):
    """RFC 9264 link set.

    :param levels: list of ``(anchor, links)``, the nearest level first
    :param description: what the item is, in words
    :param same_as: ``(uncompressed address, compressed address)`` where the compressed one was asked
    """
    every = [link for _anchor, links in levels for link in links]
    default = choose(every)
    entries = []
    for anchor, links in levels:
        if not links:
            continue
        entry = {"anchor": anchor, "itemDescription": description}
        for link in links:
            entry.setdefault(VOCABULARY + link["type"], []).append(_describe(link))
        if default in links:
            # The default has no optional attributes, and stands under its own type as well.
            entry[VOCABULARY + "defaultLink"] = [{"href": default["href"], "title": default["title"]}]
        entries.append(entry)
    if entries and same_as:
        # An entry of its own: what was compressed may say more than the levels, such as an expiry date.
        anchor, compressed = same_as
        entries.append({"anchor": anchor, SAME_AS: [{"href": compressed, "title": description}]})
    return {"linkset": entries}


def _describe(link):
    described = {"href": link["href"], "title": link["title"]}
    if link.get("media"):
        described["type"] = link["media"]
    if link.get("language"):
        described["hreflang"] = [link["language"]]
    return described


def link_header(links, linkset_url):
    """Value of the HTTP header ``Link``: the link set first, then the links, as many as a header can bear."""
    parts = [
        f'<{linkset_url}>; rel="linkset"; type="{LINKSET_TYPE}"; title="Links"',
        (
            '<https://ref.gs1.org/standards/resolver/linkset-context>; rel="http://www.w3.org/ns/json-ld#context"; '
            'type="application/ld+json"'
        ),
    ]
    for link in links:
        # RFC 8187 for titles that are not ASCII; a header holds nothing else.
        part = f"<{quote_url(link['href'])}>; rel=\"{VOCABULARY}{link['type']}\"; title*=UTF-8''{quote(link['title'])}"
        part += f'; type="{link["media"]}"' if link.get("media") else ""
        part += f'; hreflang="{link["language"]}"' if link.get("language") else ""
        if sum(map(len, parts)) + len(part) > MAX_HEADER:
            break
        parts.append(part)
    return ", ".join(parts)


def quote_url(url):
    """The address in ASCII, with nothing in it that could end a header."""
    return quote(url, safe="%/:?#[]@!$&'()*+,;=~-._")


def with_query(url, query):
    """The address with what the request's query held added to its own; the host can't change."""
    url = quote_url(url)
    if not query:
        return url
    url, mark, fragment = url.partition("#")
    joint = "&" if "?" in url else "?"
    return f"{url}{joint}{quote(query, safe='%/:?[]@!$&()*+,;=~-._')}{mark}{fragment}"


def is_target(url):
    """Whether an address may be redirected to: a whole web address, without a password in it."""
    try:
        parts = urlsplit(url)
        _port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and "@" not in parts.netloc
        and len(url) <= MAX_QUERY
        and url.isprintable()
        and not re.search(r"[\s\\<>\"]", url)
    )


def is_language(text):
    return bool(_LANGUAGE.fullmatch(text))


def is_media_type(text):
    return bool(_MEDIA.fullmatch(text))
