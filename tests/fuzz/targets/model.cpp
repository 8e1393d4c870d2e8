// A model's text, read and built: whatever it is, it gives a graph that verifies or an Error with places.
#include "ir/model.h"
#include "ir/verify.h"
#include "tests/fuzz/targets.h"
#include "tests/fuzz/targets/verdict.h"

namespace tenon::fuzz {

std::string model(llvm::StringRef bytes, bool* accepted) {
  return verdict(/*located=*/true, accepted, [&] {
    const Model model = Model::parse(std::make_shared<SourceFile>(SourceFile{"fuzz.toml", bytes.str()}));
    return verify(*model.build(model.bind({}, {})));
  });
}

}  // namespace tenon::fuzz
