// read_steps.cpp: an error of a pattern gets the pattern's place in the file.
#include "runtime/tokenizer/read_steps.h"

#include "ir/diagnostics.h"

namespace tenon::tokenizer {

Pattern pattern_of(const FilePart& part) {
  const FilePart literal = part["String"], expression = part["Regex"];
  if (literal.given() == expression.given()) part.fail("{\"String\": ..} or {\"Regex\": ..} expected");
  if (literal.given() && literal.string().empty()) literal.fail("an empty text to look for");
  const FilePart& given = literal.given() ? literal : expression;
  try {
    return literal.given() ? Pattern::literal(literal.string()) : Pattern::parse(expression.string());
  } catch (const Error& error) {
    given.fail(error.diagnostics()[0].message, error.diagnostics()[0].hint);
  }
}

void each_step(const FilePart& part, const std::string& key,
               llvm::function_ref<void(const FilePart& step, const std::string& type)> body) {
  if (!part.given()) return;
  part.object();
  const std::string& type = part["type"].string();
  if (type != "Sequence") return body(part, type);
  for (const FilePart& step : part[key].elements()) each_step(step, key, body);
}

}  // namespace tenon::tokenizer
