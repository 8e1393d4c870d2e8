// pattern.cpp: runs a pattern's program over a text, all alternatives at once, in the order of their preference.
#include "runtime/tokenizer/pattern.h"

#include "ir/diagnostics.h"

namespace tenon::tokenizer {
namespace {

// Characters looked at, in multiples of the text's. The patterns in use look at each less than four times.
constexpr size_t kMaxLooks = 16;

/// A text's coming character; none at its end.
struct Coming {
  Character character;
  Category category = Category::kOther;
  Coming(llvm::StringRef text, size_t at) {
    if (at == text.size()) return;
    character = character_at(text, at);
    category = category_of(character.code);
  }
  bool in(const CharacterSet& set) const {
    return character.bytes > 0 && set.contains(character.code, category);
  }
};

/// Matches that begin at one place, found by walking all alternatives a character at a time.
class Matcher {
 public:
  Matcher(llvm::ArrayRef<Instruction> program, llvm::ArrayRef<CharacterSet> sets, llvm::StringRef text)
      : program_(program),
        sets_(sets),
        text_(text),
        added_(program.size(), 0),
        looks_left_(kMaxLooks * (text.size() + 64)) {}

  /// The end of the match that begins at `begin`; `begin` where there is none.
  size_t match(size_t begin) {
    size_t end = begin;
    alive_.clear();
    ++generation_;
    Coming coming(text_, begin);
    add(0, coming);
    for (size_t at = begin; !alive_.empty();) {
      if (looks_left_-- == 0)
        throw Error("a pattern looks too far ahead, again and again, to cut a text of " +
                    std::to_string(text_.size()) + " bytes");
      const size_t next_at = at + coming.character.bytes;
      const Coming next(text_, next_at);
      std::swap(alive_, before_);
      alive_.clear();
      ++generation_;
      for (const uint32_t pc : before_) {
        if (program_[pc].kind == Instruction::kMatched) {  // what is less preferred is given up
          end = at;
          break;
        }
        if (coming.in(sets_[program_[pc].x])) add(pc + 1, next);
      }
      at = next_at;
      coming = next;
    }
    return end;
  }

 private:
  /// The instructions that take a character or end a match, reached from `pc` without taking any; each once.
  void add(uint32_t pc, const Coming& coming) {
    pending_.push_back(pc);
    while (!pending_.empty()) {
      pc = pending_.back();
      pending_.pop_back();
      if (added_[pc] == generation_) continue;
      added_[pc] = generation_;
      const Instruction& step = program_[pc];
      if (step.kind == Instruction::kChoice) {
        pending_.push_back(step.y);
        pending_.push_back(step.x);
      } else if (step.kind == Instruction::kJump) {
        pending_.push_back(step.x);
      } else if (step.kind == Instruction::kLook) {
        if (coming.in(sets_[step.x]) != step.negated) pending_.push_back(pc + 1);
      } else {
        alive_.push_back(pc);
      }
    }
  }

  llvm::ArrayRef<Instruction> program_;
  llvm::ArrayRef<CharacterSet> sets_;
  llvm::StringRef text_;
  std::vector<uint32_t> alive_, before_, pending_;  // `alive_` in the order of preference
  std::vector<uint64_t> added_;                     // the generation in which an instruction was added last
  uint64_t generation_ = 0;
  size_t looks_left_;
};

}  // namespace

bool CharacterSet::contains(char32_t code, Category category) const {
  for (const Item& item : items) {
    const bool in = (code >= item.first && code <= item.last) ||
                    (item.categories >> static_cast<unsigned>(category) & 1) ||
                    (item.space && is_space(code));
    if (in != item.negated) return !negated;
  }
  return negated;
}

std::vector<Pattern::Piece> Pattern::cut(llvm::StringRef text) const {
  std::vector<Piece> pieces;
  Matcher matcher(program_, sets_, text);
  size_t cut = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = matcher.match(at);
    if (end == at) {
      at += character_at(text, at).bytes;
      continue;
    }
    if (cut < at) pieces.push_back({cut, at, false});
    pieces.push_back({at, end, true});
    at = cut = end;
  }
  if (cut < text.size()) pieces.push_back({cut, text.size(), false});
  return pieces;
}

}  // namespace tenon::tokenizer
