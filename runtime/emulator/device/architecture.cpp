// architecture.cpp: the table of architectures.
#include "runtime/emulator/device/architecture.h"

#include "ir/diagnostics.h"

namespace tenon::emulator {

llvm::ArrayRef<Architecture> architectures() {
  static constexpr Architecture kAll[] = {
      {"sm_80", 8, 0}, {"sm_89", 8, 9}, {"sm_90a", 9, 0}, {"sm_100a", 10, 0}, {"sm_120", 12, 0}};
  return kAll;
}

const Architecture& find_architecture(llvm::StringRef name) {
  if (name.empty()) return architectures().back();
  std::vector<llvm::StringRef> names;
  std::string list;
  for (const Architecture& architecture : architectures()) {
    if (architecture.name == name) return architecture;
    names.push_back(architecture.name);
    list += (list.empty() ? "" : ", ") + architecture.name.str();
  }
  const std::string near = nearest(name, names);
  throw Error("the emulator knows no architecture '" + name.str() + "'", {},
              (near.empty() ? "" : "did you mean '" + near + "'? ") + "it knows " + list);
}

}  // namespace tenon::emulator
