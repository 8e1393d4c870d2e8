#!/usr/bin/env python3
"""Token ids of sentences by BERT's uncased WordPiece: one padded batch with its mask, ready for minilm.toml.

Usage: wordpiece.py SENTENCES.txt OUT.safetensors [VOCAB.txt]
Writes `tokens` i32 [B, T] and `mask` bool [B, T], T being the longest sentence with [CLS] and [SEP].
"""
import pathlib
import sys
import unicodedata

import tensors

LONGEST_WORD = 100  # longer ones are [UNK]


def is_punctuation(character):
    code = ord(character)
    ascii_symbol = 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126
    return ascii_symbol or unicodedata.category(character).startswith("P")


def is_ideograph(character):
    """CJK ideographs stand alone, as words of one character."""
    code = ord(character)
    ranges = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F))
    return any(first <= code <= last for first, last in ranges)


def words(sentence):
    """Lower case, without accents and control characters, split at blanks and around punctuation."""
    spaced = []
    for character in unicodedata.normalize("NFD", sentence.lower()):
        category = unicodedata.category(character)
        if character in "\t\n\r" or category == "Zs":
            spaced.append(" ")
        elif category == "Mn" or category.startswith("C") or character == "\ufffd":
            continue
        elif is_punctuation(character) or is_ideograph(character):
            spaced.append(f" {character} ")
        else:
            spaced.append(character)
    return "".join(spaced).split()


def pieces(word, vocabulary):
    """The longest known beginning, then the longest known continuation (##...), to the end; [UNK] where there is none."""
    if len(word) > LONGEST_WORD:
        return ["[UNK]"]
    found, start = [], 0
    while start < len(word):
        mark = "##" if start else ""
        end = next((end for end in range(len(word), start, -1) if mark + word[start:end] in vocabulary), None)
        if end is None:
            return ["[UNK]"]
        found.append(mark + word[start:end])
        start = end
    return found


def token_ids(sentence, vocabulary):
    found = [piece for word in words(sentence) for piece in pieces(word, vocabulary)]
    return [vocabulary[piece] for piece in ["[CLS]", *found, "[SEP]"]]


def load_vocabulary(path):
    return {line: number for number, line in enumerate(pathlib.Path(path).read_text(encoding="utf-8").splitlines())}


def main(sentences, out, vocab=pathlib.Path(__file__).with_name("vocab.txt")):
    vocabulary = load_vocabulary(vocab)
    rows = [token_ids(line, vocabulary) for line in pathlib.Path(sentences).read_text(encoding="utf-8").splitlines() if line.strip()]
    longest = max(map(len, rows))
    padded = [row + [vocabulary["[PAD]"]] * (longest - len(row)) for row in rows]
    shape = [len(rows), longest]
    tensors.write(out, {"tokens": ("I32", shape, [token for row in padded for token in row]),
                        "mask": ("BOOL", shape, [int(column < len(row)) for row in rows for column in range(longest)])})
    print(f"{out}: {len(rows)} sentences, {longest} tokens")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:])
