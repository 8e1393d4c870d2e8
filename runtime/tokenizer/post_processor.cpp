// post_processor.cpp: the special tokens that stand around a text.
#include "runtime/tokenizer/read_steps.h"
#include "runtime/tokenizer/steps.h"

namespace tenon::tokenizer {
namespace {

/// The ids of a special token by its name in the template.
void append_special(const FilePart& post, const FilePart& name, std::vector<int64_t>& ids) {
  const FilePart special = post["special_tokens"][name.string()];
  if (!special.given()) name.fail("special_tokens does not tell the ids of " + shown(name.string()));
  for (const FilePart& id : special["ids"].elements()) ids.push_back(id.integer());
}

void read_template(const FilePart& part, Surroundings& around) {
  bool after = false;
  for (const FilePart& element : part["single"].elements()) {
    if (element["SpecialToken"].given()) {
      append_special(part, element["SpecialToken"]["id"], after ? around.after : around.before);
    } else if (element["Sequence"].given() && !after) {
      after = true;
    } else {
      element.fail("one Sequence and SpecialTokens around it expected");
    }
  }
  if (!after) part["single"].fail("no Sequence, for which the text would stand");
}

}  // namespace

Surroundings read_post_processor(const FilePart& part) {
  Surroundings around;
  bool templates = false;
  each_step(part, "processors", [&](const FilePart& step, const std::string& type) {
    if (type == "ByteLevel") return;  // it moves offsets, which nobody asks for
    if (type != "TemplateProcessing")
      step["type"].fail("a post_processor " + shown(type) + " is not supported",
                        "ByteLevel, TemplateProcessing and a Sequence of them are");
    if (templates) step.fail("a second TemplateProcessing");
    templates = true;
    read_template(step, around);
  });
  return around;
}

}  // namespace tenon::tokenizer
