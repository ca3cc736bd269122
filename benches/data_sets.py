"""The data sets of sizes.py, as files of key, tab and value. Nothing of them is part of this repository.

Real ones come from a mirror of Debian's archive: the lists of the packages of three releases and of the files of one. The lists have no
licence of their own; what they quote, such as descriptions, has that of its package (https://www.debian.org/legal/licenses/).
Generated ones are the same on every machine.
"""
import base64
import gzip
import json
import lzma
import random
import urllib.request
from collections import Counter

FEW, MANY, MOST = 500_000, 2_000_000, 2_000_000  # pairs
RELEASES = ["trixie", "bookworm", "bullseye"]  # newest first: it wins
CACHE = {}


def fetched(folder, mirror, path):
    """A file of the mirror, which is downloaded once."""
    file = folder / "debian" / path
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(file.name + ".part")
        with urllib.request.urlopen(f"{mirror}/{path}", timeout=120) as answer, part.open("wb") as out:
            while block := answer.read(1 << 20):
                out.write(block)
        part.rename(file)
    return file


class Debian:
    """What the lists of the mirror say."""

    def __init__(self, folder, mirror):
        self.folder, self.mirror = folder, mirror

    def stanzas(self, path):
        """The records of a list: dicts of fields, whose lines are joined by newlines."""
        stanza, field = {}, None
        with lzma.open(fetched(self.folder, self.mirror, path), "rt", encoding="utf-8") as lines:
            for line in lines:
                line = line.rstrip("\n")
                if not line:
                    yield stanza
                    stanza = {}
                elif line[0] in " \t":
                    stanza[field] += "\n" + line[1:]
                else:
                    field, _, value = line.partition(":")
                    stanza[field] = value.strip()
        if stanza:
            yield stanza

    def packages(self, release="bookworm", machine="amd64"):
        """The packages of a release for a kind of machine."""
        return self.stanzas(f"dists/{release}/main/binary-{machine}/Packages.xz")

    def of_all_releases(self):
        """The packages of three releases, each as its newest one has it."""
        return (package for release in RELEASES for package in self.packages(release))

    def files(self):
        """Paths in installed packages, with section and package: `usr/bin/ls`, `utils`, `coreutils`."""
        with gzip.open(fetched(self.folder, self.mirror, "dists/bookworm/main/Contents-amd64.gz"), "rt", encoding="utf-8") as lines:
            for line in lines:
                path, _, owners = line.rstrip("\n").rpartition(" ")
                section, _, package = owners.split(",")[0].rpartition("/")
                yield path.rstrip(), section, package


def as_json(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# Real.
def description(debian):
    for package in debian.packages():
        yield package["Package"], package["Description"]


def summary(debian):
    for package in debian.of_all_releases():
        yield package["Package"], package["Description"]


def version(debian):
    for package in debian.of_all_releases():
        yield package["Package"], package["Version"]


def debian_json(debian):
    for package in debian.packages():
        yield package["Package"], as_json(package)


SHORT = ["Package", "Version", "Architecture", "Section", "Size", "Homepage", "Description"]


def package_json(debian):
    for package in debian.of_all_releases():
        few = {field.lower(): package[field] for field in SHORT if field in package}
        few["size"] = int(few["size"])
        yield few["package"], as_json(few)


def path_package(debian):
    return ((path, package) for path, _, package in debian.files())


# Packages and sources; the paths are those of the mirror.
def path_size(debian):
    for release in RELEASES:
        for machine in ["amd64", "arm64"] if release != "bullseye" else ["amd64"]:
            for package in debian.packages(release, machine):
                yield package["Filename"], package["Size"]
    for source in debian.stanzas("dists/bookworm/main/source/Sources.xz"):
        for file in source["Files"].strip().split("\n"):
            _, size, name = file.split()
            yield f"{source['Directory']}/{name}", size


def homepage_section(debian):
    for package in debian.of_all_releases():
        yield package.get("Homepage", ""), package["Section"]


# Paths and sections are real, the host is not.
def url_category(debian):
    common = {section for section, _ in Counter(section for _, section, _ in debian.files()).most_common(50)}
    return ((f"https://files.example.org/{path}", section) for path, section, _ in debian.files() if section in common)


# Generated.
COLOURS = "red blue green black white grey yellow brown orange purple pink silver golden beige".split()
STUFF = "cotton wool linen silk leather steel wooden plastic paper glass ceramic rubber bamboo copper".split()
THINGS = """shirt jacket scarf coat hat sock belt shoe bag lamp table chair shelf bowl plate cup kettle pan knife spoon notebook pencil
    curtain carpet pillow blanket mirror clock basket bucket brush towel""".split()
EXTRAS = ["with buttons", "for children", "set of two", "set of four", "with a lid", "hand made", "second choice", "gift wrapped"]
NAMES = "anna ben carla david emma felix greta hugo ida jonas karla leo maria nils olga paul rosa simon tina victor wanda yuri zoe".split()
CITIES = "Berlin Paris Madrid Rome Vienna Prague Warsaw Lisbon Dublin Athens Oslo Helsinki Riga Tallinn Bern Brussels".split()


def shop(_):
    rng = random.Random(1)
    for _ in range(MANY):
        words = [rng.choice(COLOURS), rng.choice(STUFF), rng.choice(THINGS)]
        if rng.random() < 0.6:
            words.append(rng.choice(EXTRAS))
        yield f"shop:{rng.randrange(1, 5000)}:item:{rng.randrange(100_000)}", " ".join(words)


def hex_count(_):
    rng = random.Random(2)
    for _ in range(MANY):
        yield f"{rng.getrandbits(160):040x}", str(int(rng.paretovariate(0.7)) % 10_000_000)


def users(_):
    rng = random.Random(3)
    for _ in range(FEW):
        number, name, family = rng.randrange(10**9), rng.choice(NAMES), rng.choice(NAMES) + rng.choice(NAMES)
        user = {"id": number, "name": f"{name.title()} {family.title()}", "email": f"{name}.{family}{rng.randrange(1000)}@example.org"}
        user |= {"city": rng.choice(CITIES), "age": rng.randrange(18, 90), "active": rng.random() < 0.8}
        user |= {"joined": f"20{rng.randrange(10, 26)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}"}
        user |= {"tags": rng.sample(THINGS, rng.randrange(1, 5))}
        yield f"user:{number}", as_json(user)


def random_text(_):
    rng = random.Random(4)
    for _ in range(MANY):
        key, value = (base64.b64encode(rng.randbytes(rng.randrange(*lengths))).decode().rstrip("=") for lengths in [(12, 19), (15, 31)])
        yield key, value


# The name of a set, and its records.
SETS = {
    "package -> description": description,
    "package -> summary": summary,
    "package -> version": version,
    "path -> package": path_package,
    "path -> size": path_size,
    "homepage -> section": homepage_section,
    "URL -> category": url_category,
    "package -> JSON, 890 B": debian_json,
    "package -> JSON, 240 B": package_json,
    "user -> JSON, 180 B": users,
    "shop item -> name": shop,
    "40 hex digits -> count": hex_count,
    "random -> random": random_text,
}


def made(name, folder, mirror):
    """The file of a set, which is written once; of records with equal keys the first is kept."""
    records = SETS[name]
    file = folder / f"{records.__name__.replace('_', '-')}.tsv"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        part, seen = file.with_name(file.name + ".part"), set()
        with part.open("w", encoding="utf-8", newline="") as out:
            for key, value in records(Debian(folder, mirror)):
                if key and key not in seen and not any(c in text for text in (key, value) for c in "\t\n\r"):
                    seen.add(key)
                    out.write(f"{key}\t{value}\n")
                if len(seen) == MOST:
                    break
        part.rename(file)
    return file
