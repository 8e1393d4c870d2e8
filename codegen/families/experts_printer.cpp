// experts_printer.cpp: a config, what becomes of a product, and one call of the template.
#include "codegen/families/experts_printer.h"

#include "codegen/expression_printer.h"
#include "codegen/families/gemm_printer.h"
#include "codegen/kernel_frame.h"

namespace tenon {
namespace {

class ExpertsPrinter {
 public:
  ExpertsPrinter(const Region& region, const ExpertsSite& site, const ExpertsChoice& choice,
                 const Target& target, llvm::StringRef name)
      : site_(site),
        choice_(choice),
        title_{name, region, "experts", target, choice.text()},
        names_(*region.body),
        parameters_(names_, false) {
    names_.reserve(name);
    for (llvm::StringRef taken :
         {"experts_tiles", "kConfig", "Index", "Finish", "at", "row", "column", "place", "sums", "sum"})
      names_.reserve(taken);
  }

  EmittedKernel print() {
    const std::string problem = problem_text();
    const std::string factors = site_.sum ? pointer(site_.factors) : "";
    const std::string choices = choice_.tile ? parameters_.number(site_.all_choices()) : "";
    Text finish("");
    print_finish(finish);

    EmittedKernel kernel;
    kernel.includes = {"templates/elementwise.cuh",
                       choice_.tile ? "templates/experts_tiles.cuh" : "templates/experts.cuh"};
    Text text(title_.name.str() + ".cu");
    open_file(text, title_, kernel, false);
    text.line(config_line());
    text.blank();
    text.append(finish);
    const std::string blocks = choice_.tile && choice_.tile->blocks_per_sm > 0
                                   ? ", " + std::to_string(choice_.tile->blocks_per_sm)
                                   : "";
    text.open("extern \"C\" __global__ __launch_bounds__(kConfig.threads()" + blocks + ") void " +
              title_.name + "(" + parameters_.signature() + ")");
    text.from(site_.products[0]->location);
    text.line("const " + problem + ";");
    text.line(call(factors, choices));
    text.close();
    text.blank();
    text.line("}  // namespace tenon");
    return launch(std::move(kernel), text.str());
  }

 private:
  std::string pointer(const Value* value) { return parameters_.operand(value, names_.base(value)); }
  std::string problem_text() {
    const std::string types = storage_type(site_.dtype).str() + ", " +
                              storage_type(site_.ids->type().dtype).str() + ", " +
                              std::to_string(site_.products.size());
    std::string text = "ExpertsProblem<" + types + "> problem{.x = " + pointer(site_.x) + ", .w = {";
    for (size_t p = 0; p < site_.products.size(); ++p)
      text += (p ? ", " : "") + pointer(site_.products[p]->operand(1));
    return text + "}, .ids = " + pointer(site_.ids) + ", .experts = " + std::to_string(site_.experts) +
           ", .columns = " + std::to_string(site_.columns) + ", .depth = " + std::to_string(site_.depth) +
           ", .choices = " + parameters_.number(site_.choices) +
           ", .own_row = " + (site_.own_row ? "true}" : "false}");
  }

  std::string config_line() const {
    if (choice_.tile) return "constexpr GemmConfig kConfig{" + config_text(choice_.tile->config) + "};";
    const ExpertsConfig& c = choice_.stream;
    return "constexpr ExpertsConfig kConfig{.warps = " + std::to_string(c.warps) +
           ", .width = " + std::to_string(c.width) + ", .loads = " + std::to_string(c.loads) +
           ", .products = " + std::to_string(c.products) + "};";
  }

  std::string call(const std::string& factors, const std::string& choices) const {
    if (choice_.tile) {
      const int64_t chunk = 16 / size_of(site_.dtype);
      return "experts_tiles<kConfig, " + std::to_string(site_.experts) +
             (site_.depth % chunk == 0 ? ", true" : ", false") + ">(problem, " + choices + ", " + finish_ +
             ");";
    }
    return site_.sum ? "experts_sum<kConfig>(problem, " + factors + ", " + finish_ + ");"
                     : "experts_each<kConfig>(problem, " + finish_ + ");";
  }

  /// The functor that takes the sums: members, then one op a line.
  void print_finish(Text& text) {
    Text body("", 1);
    const bool tile = choice_.tile.has_value();
    body.open(std::string("TENON_DEVICE void operator()(") +
              (tile        ? "const GemmSums<kConfig>& at, i64 row"
               : site_.sum ? "i64 row, int column, float sum"
                           : "i64 row, int column, const Vec<float, kConfig.products>& sums") +
              ") const");
    body.line("const i64 place = row * " + std::to_string(site_.columns) + " + " +
              (tile ? "at.col" : "column") + ";");
    ExpressionPrinter printer(body, names_);
    for (size_t p = 0; p < site_.products.size(); ++p)
      printer.bind(site_.start(p), tile        ? "at.product(" + std::to_string(p) + ")"
                                   : site_.sum ? "sum"
                                               : "sums[" + std::to_string(p) + "]");
    for (const Node* node : site_.tail) {
      for (const Value* operand : node->operands())
        if (!is_uniform(operand) && !printer.bound(operand)) printer.bind(operand, load(operand));
      body.from(node->location);
      printer.print(*node);
    }
    const std::string out =
        member(parameters_.result(0, names_.base(site_.out) + "_out", site_.out->type().dtype));
    const std::string value = printer(site_.out);
    if (tile)
      body.line("store(" + out + " + place, " + value + count() + ");");
    else
      body.line(out + "[place] = cast<" + storage_type(site_.out->type().dtype).str() + ">(" + value + ");");
    body.close();
    text.open("struct Finish");
    for (const auto& declaration : parameters_.declarations())
      if (llvm::is_contained(members_, declaration.name))
        text.line(declaration.type + " " + declaration.name + ";");
    text.append(body);
    text.close(";");
    text.blank();
    for (const auto& declaration : parameters_.declarations())
      if (llvm::is_contained(members_, declaration.name))
        finish_ += (finish_.empty() ? "Finish{" : ", ") + declaration.name;
    finish_ += "}";
  }

  std::string count() const { return choice_.tile->config.exact_n ? "" : ", at.count()"; }
  std::string member(std::string name) {
    if (!llvm::is_contained(members_, name)) members_.push_back(name);
    return name;
  }
  /// The element, or the run of them, of a value of the result's shape.
  std::string load(const Value* value) {
    const std::string from = member(pointer(value));
    if (!choice_.tile) return "widen(" + from + "[place])";
    return "load<kConfig.vector>(" + from + " + place" + count() + ")";
  }

  EmittedKernel launch(EmittedKernel kernel, std::string source) {
    kernel.name = title_.name.str();
    kernel.source = std::move(source);
    kernel.arguments = parameters_.arguments;
    kernel.packed = parameters_.packed;
    kernel.aliases = {-1};
    kernel.grid[0] = static_cast<int>(std::max<int64_t>(1, choice_.blocks));
    kernel.block[0] = choice_.tile ? choice_.tile->config.threads() : choice_.stream.threads();
    kernel.shared_bytes = choice_.tile ? choice_.tile->config.shared_bytes() : 0;
    return kernel;
  }

  const ExpertsSite& site_;
  const ExpertsChoice& choice_;
  const KernelTitle title_;
  Names names_;
  KernelParameters parameters_;
  std::vector<std::string> members_;
  std::string finish_;
};

}  // namespace

std::string ExpertsChoice::text() const {
  if (tile) return "tiles " + config_name(tile->config);
  return "stream " + std::to_string(stream.warps) + "x" + std::to_string(stream.width) + "x" +
         std::to_string(stream.loads);
}

EmittedKernel print_experts(const Region& region, const ExpertsSite& site, const ExpertsChoice& choice,
                            const Target& target, llvm::StringRef name) {
  return ExpertsPrinter(region, site, choice, target, name).print();
}

}  // namespace tenon
