// kernel_frame.cpp: the parts of a file that do not depend on the kernel's family.
#include "codegen/kernel_frame.h"

#include "codegen/entry.h"

namespace tenon {

void open_file(Text& text, const KernelTitle& title, const EmittedKernel& kernel, bool wide) {
  print_head(text, title.name, title.region, title.family, title.target, title.config);
  for (const std::string& include : kernel.includes) text.line("#include \"" + include + "\"");
  text.blank();
  text.line("namespace tenon {");
  text.blank();
  text.line(llvm::Twine("using Index = ") + (wide ? "i64" : "i32") + ";");
}

void close_file(Text& text, const KernelTitle& title, const KernelParameters& parameters,
                llvm::StringRef launch_bounds, const std::string& call, EmittedKernel& kernel) {
  text.blank();
  open_entry(text, title.target, launch_bounds, title.name, parameters.signature());
  text.line(call);
  text.close();
  text.blank();
  text.line("}  // namespace tenon");
  kernel.name = title.name.str();
  kernel.source = text.str();
  kernel.arguments = parameters.arguments;
  kernel.packed = parameters.packed;
  kernel.aliases.assign(title.region.body->outputs().size(), -1);
}

}  // namespace tenon
