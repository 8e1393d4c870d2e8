// pattern_compiler.cpp: a regular expression's text becomes a tree, and the tree a program.
#include <array>
#include <optional>

#include "ir/diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include "runtime/tokenizer/pattern.h"

namespace tenon::tokenizer {
namespace {

constexpr size_t kMaxText = 8192, kMaxProgram = 4096;
constexpr int kMaxDepth = 32;
constexpr uint32_t kMaxCount = 256, kNoLimit = UINT32_MAX;

struct CategoryName {
  llvm::StringLiteral name;
  uint32_t categories;
};
constexpr uint32_t bits(Category first, Category last) {
  return (2u << static_cast<unsigned>(last)) - (1u << static_cast<unsigned>(first));
}
constexpr uint32_t bit(Category one) { return bits(one, one); }
constexpr std::array<CategoryName, 12> kCategoryNames{{
    {"L", bits(Category::kUpper, Category::kOtherLetter)},
    {"Lu", bit(Category::kUpper)},
    {"Ll", bit(Category::kLower)},
    {"Lt", bit(Category::kTitle)},
    {"Lm", bit(Category::kModifier)},
    {"Lo", bit(Category::kOtherLetter)},
    {"M", bit(Category::kMark)},
    {"N", bits(Category::kDigit, Category::kOtherNumber)},
    {"Nd", bit(Category::kDigit)},
    {"P", bit(Category::kPunctuation)},
    {"S", bit(Category::kSymbol)},
    {"Z", bit(Category::kSeparator)},
}};

struct Node {
  enum Kind { kSet, kLook, kSequence, kChoice, kRepeat };
  explicit Node(Kind node_kind) : kind(node_kind) {}
  Kind kind;
  uint32_t set = 0;      // of kSet and kLook
  bool negated = false;  // of kLook
  uint32_t least = 0, most = 0;
  std::vector<Node> children;
};

bool may_be_empty(const Node& node) {
  switch (node.kind) {
    case Node::kSet: return false;
    case Node::kLook: return true;
    case Node::kSequence: return llvm::all_of(node.children, may_be_empty);
    case Node::kChoice: return llvm::any_of(node.children, may_be_empty);
    case Node::kRepeat: return node.least == 0 || may_be_empty(node.children[0]);
  }
  llvm_unreachable("every kind has its case");
}

CharacterSet::Item character(char32_t code) {
  CharacterSet::Item item;
  item.first = item.last = code;
  return item;
}

}  // namespace

/// Reads the text and fills a pattern.
class PatternCompiler {
 public:
  PatternCompiler(llvm::StringRef text, Pattern& pattern) : text_(text), pattern_(pattern) {}

  void compile() {
    if (text_.size() > kMaxText) fail("it is longer than " + std::to_string(kMaxText) + " bytes");
    const Node root = choice(false);
    if (at_ < text_.size()) fail("')' without '('");
    if (may_be_empty(root)) fail("it matches the empty text");
    emit(root);
    push({Instruction::kMatched});
  }

  void compile_literal() {
    while (at_ < text_.size()) push({Instruction::kTake, false, add_set({{character(next())}, false})});
    push({Instruction::kMatched});
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw Error("the pattern " + shown() + ": " + why + " (at byte " + std::to_string(at_) + ")", {},
                "runtime/tokenizer/README.md lists what patterns may have");
  }
  std::string shown() const {
    std::string text = text_.take_front(200).str();
    return "'" + text.substr(0, first_no_utf8(text)) + (text_.size() > 200 ? "..'" : "'");
  }

  // --- Reading.
  bool take(llvm::StringRef word) {
    if (!text_.substr(at_).startswith(word)) return false;
    at_ += word.size();
    return true;
  }
  char32_t next() {
    if (at_ == text_.size()) fail("it ends too early");
    const Character one = character_at(text_, at_);
    at_ += one.bytes;
    return one.code;
  }
  bool coming(char c) const { return at_ < text_.size() && text_[at_] == c; }

  /// Alternatives, up to the end or a ')'. `fold`: letters stand for both cases.
  Node choice(bool fold) {
    if (++depth_ > kMaxDepth) fail("groups nested too deeply");
    Node all(Node::kChoice);
    do all.children.push_back(sequence(fold));
    while (take("|"));
    --depth_;
    return all;
  }

  Node sequence(bool fold) {
    Node all(Node::kSequence);
    while (at_ < text_.size() && !coming('|') && !coming(')')) all.children.push_back(repeated(fold));
    return all;
  }

  Node repeated(bool fold) {
    Node one = atom(fold);
    Node loop(Node::kRepeat);
    if (take("?")) {
      loop.most = 1;
    } else if (take("*")) {
      loop.most = kNoLimit;
    } else if (take("+")) {
      loop.least = 1, loop.most = kNoLimit;
    } else if (take("{")) {
      counts(loop);
    } else {
      return one;
    }
    if (coming('?') || coming('*') || coming('+') || coming('{'))
      fail("lazy and possessive repetition, and repetition of a repetition, are not supported");
    if (may_be_empty(one)) fail("a repetition of what may be empty");
    loop.children.push_back(std::move(one));
    return loop;
  }

  uint32_t count() {
    uint32_t value = 0;
    const llvm::StringRef digits = text_.substr(at_).take_while(llvm::isDigit);
    if (digits.getAsInteger(10, value) || value > kMaxCount)
      fail("a count of at most " + std::to_string(kMaxCount) + " expected");
    at_ += digits.size();
    return value;
  }

  void counts(Node& loop) {
    loop.least = loop.most = count();
    if (take(",")) loop.most = coming('}') ? kNoLimit : count();
    if (!take("}")) fail("'}' expected");
    if (loop.most < loop.least || loop.most == 0) fail("a repetition of fewer than none");
  }

  Node atom(bool fold) {
    if (take("(?=")) return look(false);
    if (take("(?!")) return look(true);
    if (take("(?i:")) return group(true);
    if (take("(?:")) return group(fold);
    if (coming('(') && text_.substr(at_ + 1).startswith("?"))
      fail("'" + text_.substr(at_, 4).take_while(llvm::isPrint).str() + "' is not supported");
    if (take("(")) return group(fold);
    return set_node(Node::kSet, fold);
  }

  Node group(bool fold) {
    Node inside = choice(fold);
    if (!take(")")) fail("')' expected");
    return inside;
  }

  Node look(bool negated) {
    Node node = set_node(Node::kLook, false);
    node.negated = negated;
    if (!take(")")) fail("looking ahead at more than one character is not supported");
    return node;
  }

  Node set_node(Node::Kind kind, bool fold) {
    CharacterSet set;
    if (take("[")) {
      set = brackets();
    } else if (take(".")) {
      set = {{character('\n')}, true};
    } else if (const llvm::StringRef rest = text_.substr(at_);
               llvm::StringRef("^$*+?{)").contains(rest.front())) {
      fail("'" + rest.take_front().str() + "' is not supported here");
    } else {
      set.items.push_back(item());
    }
    if (fold) add_other_cases(set);
    Node node(kind);
    node.set = add_set(std::move(set));
    return node;
  }

  /// What stands between '[' and ']'.
  CharacterSet brackets() {
    CharacterSet set;
    set.negated = take("^");
    if (coming(']')) fail("an empty set");
    while (!take("]")) {
      if (coming('[') || text_.substr(at_).startswith("&&")) fail("sets within sets are not supported");
      CharacterSet::Item one = item();
      const bool range = one.first == one.last && coming('-') && !text_.substr(at_ + 1).startswith("]");
      if (range) {
        ++at_;
        if (coming('[')) fail("sets within sets are not supported");
        const CharacterSet::Item last = item();
        if (last.first != last.last || last.first < one.first) fail("a range that does not go upwards");
        one.last = last.last;
      }
      set.items.push_back(one);
    }
    return set;
  }

  /// A character or an escape.
  CharacterSet::Item item() {
    const char32_t code = next();
    return code == '\\' ? escape() : character(code);
  }

  CharacterSet::Item escape() {
    const char32_t code = next();
    CharacterSet::Item one;
    one.negated = code == 'S' || code == 'D' || code == 'P';
    switch (code) {
      case 'r': return character('\r');
      case 'n': return character('\n');
      case 't': return character('\t');
      case 's':
      case 'S': one.space = true; return one;
      case 'd':
      case 'D': one.categories = bit(Category::kDigit); return one;
      case 'p':
      case 'P': one.categories = categories(); return one;
      default: break;
    }
    if (code >= 0x80 || llvm::isAlnum(static_cast<char>(code)) || code < 0x20)
      fail("an escape that is not supported");
    return character(code);
  }

  uint32_t categories() {
    const auto [name, rest] = text_.substr(at_).split('}');
    for (const CategoryName& row : kCategoryNames)
      if (take(("{" + row.name + "}").str())) return row.categories;
    fail("the property '\\p" + name.take_front(24).take_while(llvm::isPrint).str() + "}' is not supported");
  }

  /// To each letter of a set its other case, and what Unicode folds to it besides.
  void add_other_cases(CharacterSet& set) const {
    const size_t given = set.items.size();
    for (size_t i = 0; i < given; ++i) {
      const CharacterSet::Item one = set.items[i];
      if (one.first > one.last) continue;
      if (one.last >= 0x80) fail("(?i:) over other than ASCII is not supported");
      for (char32_t code = one.first; code <= one.last; ++code) {
        if (!llvm::isAlpha(static_cast<char>(code))) continue;
        set.items.push_back(character(code ^ 0x20));
        if ((code | 0x20) == 's') set.items.push_back(character(0x17F));   // long s
        if ((code | 0x20) == 'k') set.items.push_back(character(0x212A));  // Kelvin sign
      }
    }
  }

  uint32_t add_set(CharacterSet set) {
    pattern_.sets_.push_back(std::move(set));
    return static_cast<uint32_t>(pattern_.sets_.size() - 1);
  }

  // --- Writing the program.
  uint32_t here() const { return static_cast<uint32_t>(pattern_.program_.size()); }
  uint32_t push(Instruction one) {
    if (here() >= kMaxProgram) fail("it is too large");
    pattern_.program_.push_back(one);
    return here() - 1;
  }
  Instruction& at(uint32_t index) { return pattern_.program_[index]; }

  void emit(const Node& node) {
    switch (node.kind) {
      case Node::kSet: push({Instruction::kTake, false, node.set}); return;
      case Node::kLook: push({Instruction::kLook, node.negated, node.set}); return;
      case Node::kSequence:
        for (const Node& child : node.children) emit(child);
        return;
      case Node::kChoice: emit_choice(node.children); return;
      case Node::kRepeat: emit_repeat(node); return;
    }
  }

  void emit_choice(llvm::ArrayRef<Node> alternatives) {
    std::vector<uint32_t> jumps;
    for (const Node& one : alternatives.drop_back()) {
      const uint32_t fork = push({Instruction::kChoice});
      at(fork).x = here();
      emit(one);
      jumps.push_back(push({Instruction::kJump}));
      at(fork).y = here();
    }
    emit(alternatives.back());
    for (const uint32_t jump : jumps) at(jump).x = here();
  }

  void emit_repeat(const Node& node) {
    for (uint32_t i = 0; i < node.least; ++i) emit(node.children[0]);
    std::vector<uint32_t> forks;  // each once more, or out
    const bool endless = node.most == kNoLimit;
    for (uint32_t i = 0; i < (endless ? 1 : node.most - node.least); ++i) {
      forks.push_back(push({Instruction::kChoice}));
      at(forks.back()).x = here();
      emit(node.children[0]);
    }
    if (endless) push({Instruction::kJump, false, forks[0]});
    for (const uint32_t fork : forks) at(fork).y = here();
  }

  llvm::StringRef text_;
  Pattern& pattern_;
  size_t at_ = 0;
  int depth_ = 0;
};

Pattern Pattern::parse(llvm::StringRef text) {
  Pattern pattern;
  PatternCompiler(text, pattern).compile();
  return pattern;
}

Pattern Pattern::literal(llvm::StringRef text) {
  Pattern pattern;
  PatternCompiler(text, pattern).compile_literal();
  return pattern;
}

}  // namespace tenon::tokenizer
