#!/usr/bin/env python3
"""Makes this folder's files with Hugging Face's `tokenizers`: small tokenizers of each kind, trained on the texts below, and
what that library makes of other texts.

record.py     wants the package tokenizers, version 0.23.3; writes NAME.json (a tokenizer.json) and expected.json beside itself:
              {"NAME": [[text, ids, text of the ids], ..]}
"""
import json
import pathlib
import random

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).resolve().parent
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
O200K = "|".join([
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])

WORDS = ("don't DON'T we'll I'VE it'\u017f \u212a's naïve café cafe\u0301 Straße ŒUVRE \u01c5ungla \u02b0\u1d43 中文字符 日本語テキスト 한국어 "
         "\u1112\u1161\u11ab\u1100\u116e\u11a8 العربية हिन्दी नमस्ते ไทย Привет ΑΒΓ αβγ 123 4567890 3.14 ½ Ⅷ ٣٤ 𝟘𝟙 😀 👩\u200d👩\u200d👧 🇩🇪 "
         "<|im_start|> <|im_end|> <|endoftext|> <s> </s> <unk> <0x41> <tool_call> <strip> <mask> é! ▁ ▁▁ Ġ foo_bar() x+=1; // ... --- "
         "http://a.b/c?d=e#f \t \n \n\n \r\n \u00a0 \u3000 \u2028 \u0085 \u200b \ufeff \u0301 q\u0307\u0323 \u2126 \u212b \u0344 \u0958 "
         "camelCaseString HTTPServer aB ABc \u0001 \x7f \U00100000").split(" ")
SENTENCES = ["The quick brown fox jumps over the lazy dog, and it doesn't look back.", "In 1984 there were 12,345 of them; 3.5% stayed.",
             "Die Größe der Straße überrascht; l'été à Paris n'est pas fini.", "for (int i = 0; i < n; ++i) {\n\tsum += x[i];\n}\n",
             "你好,世界。今天天气很好。", "こんにちは、世界", "Съешь же ещё этих мягких французских булок", "The theory that the other then gathers"]
POOLS = [[chr(c) for c in range(0x20, 0x7F)], [chr(c) for c in range(0x80, 0x600)], [" ", "  ", "\n", "\t", "\r", " \n", "\u00a0", "\u3000"],
         list("'sStTmMdDrReEvVlL\u017f"), [chr(c) for c in range(0x300, 0x360)] + list("aeiouAEcn"),
         [chr(c) for c in range(0x1100, 0x1200)] + [chr(c) for c in range(0xAC00, 0xAC80)]]


def texts(rng, count):
    made = ["", " ", "  ", "\n", "Hello, world!", " leading", "trailing ", "a\n\n\nb", "   x", "aaaaaaaaaaaaaaaaaaaaaaaaa"] + SENTENCES
    while len(made) < count:
        if rng.random() < 0.5:
            made.append(rng.choice([" ", "", " ", "  ", "\n"]).join(rng.choice(WORDS) for _ in range(rng.randint(1, 8))))
        else:
            made.append("".join(rng.choice(rng.choice(POOLS)) for _ in range(rng.randint(1, 24))))
    return made


def byte_level(patterns, normalizer=None, prefix=False):
    tokenizer = Tokenizer(models.BPE())
    split = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in patterns]
    last = pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=not patterns)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(split + [last]) if split else last
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], pre_tokenizers.ByteLevel.alphabet()


def with_bytes(normalizer, decoder):
    """As SentencePiece's: blanks are a character, and what is no token is bytes. Trained on words, so that tokens are short."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.Sequence(decoder)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("▁+"), "merged_with_next")
    return tokenizer, ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % byte for byte in range(256)], []


def trained(kind, size=420):
    tokenizer, special, alphabet = kind
    trainer = trainers.BpeTrainer(vocab_size=max(size, len(special) + 160), initial_alphabet=alphabet, special_tokens=special,
                                  limit_alphabet=256, show_progress=False)
    tokenizer.train_from_iterator(SENTENCES * 4 + texts(random.Random(1), 200), trainer)
    file = json.loads(tokenizer.to_str())
    file["added_tokens"] = [token for token in file["added_tokens"] if not token["content"].startswith("<0x")]
    return file


def begin_with(file, token):
    file["post_processor"] = {"type": "Sequence", "processors": [
        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True},
        {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": token, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
         "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
         "special_tokens": {token: {"id": token, "ids": [file["model"]["vocab"][token]], "tokens": [token]}}}]}


def add(file, content, special=False, lstrip=False, rstrip=False, normalized=False):
    used = list(file["model"]["vocab"].values()) + [token["id"] for token in file["added_tokens"]]
    file["added_tokens"].append({"id": max(used) + 1, "content": content, "single_word": False, "lstrip": lstrip, "rstrip": rstrip,
                                 "normalized": normalized, "special": special})


def files():
    made = {}
    made["gpt2"] = trained(byte_level([]))
    made["gpt2"]["model"]["merges"] = [" ".join(pair) for pair in made["gpt2"]["model"]["merges"]]
    add(made["gpt2"], "<strip>", special=True, lstrip=True, rstrip=True)
    made["llama3"] = trained(byte_level([LLAMA3]))
    made["llama3"]["model"]["ignore_merges"] = True
    begin_with(made["llama3"], "<|endoftext|>")
    made["qwen"] = trained(byte_level([QWEN], normalizers.NFC()))
    add(made["qwen"], "<tool_call>")
    add(made["qwen"], "é!", normalized=True)
    made["o200k"] = trained(byte_level([O200K]))
    blanks = normalizers.Replace(" ", "▁")
    text = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    made["mistral"] = trained(with_bytes(normalizers.Sequence([normalizers.Prepend("▁"), blanks]), text + [decoders.Strip(" ", 1, 0)]))
    made["mistral"]["pre_tokenizer"] = None
    begin_with(made["mistral"], "<s>")
    made["gemma"] = trained(with_bytes(blanks, text))
    made["gemma"]["pre_tokenizer"] = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
    begin_with(made["gemma"], "<s>")
    add(made["gemma"], "\n\n")
    add(made["gemma"], "<mask>", special=True, lstrip=True)
    metaspace, special, _ = with_bytes(normalizers.NFC(), [decoders.Metaspace(prepend_scheme="first"), decoders.ByteFallback(), decoders.Fuse()])
    metaspace.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(prepend_scheme="first"), pre_tokenizers.Digits(True)])
    made["metaspace"] = trained((metaspace, special, []))
    return made


def main():
    expected = {}
    for number, (name, file) in enumerate(files().items()):
        path = HERE / f"{name}.json"
        path.write_text(json.dumps(file, ensure_ascii=False, separators=(",", ":")) + "\n")
        tokenizer = Tokenizer.from_file(str(path))
        rows = [(text, tokenizer.encode(text).ids) for text in texts(random.Random(10 + number), 80)]
        expected[name] = [[text, ids, tokenizer.decode(ids)] for text, ids in rows]
    lines = [f"{json.dumps(name)}: [\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "]" for name, rows in expected.items()]
    (HERE / "expected.json").write_text("{" + ",\n".join(lines) + "}\n")


main()
