// product_printer.cpp: head, epilogue and entry of a product kernel.
#include "codegen/families/product_printer.h"

#include "codegen/entry.h"
#include "codegen/families/product_scope.h"
#include "codegen/families/tail_printer.h"

namespace tenon {
namespace {

class ProductPrinter {
 public:
  ProductPrinter(const Region& region, const ProductProblem& problem, const ProductFile& file,
                 const Target& target, llvm::StringRef name)
      : region_(region),
        problem_(problem),
        file_(file),
        target_(target),
        name_(name.str()),
        names_(*region.body),
        parameters_(*region.body, names_) {
    for (const char* taken : {"at", "row", "col", "depth", "batch", "shape", "count", "in"})
      names_.fresh(taken);
  }

  EmittedKernel print() {
    if (!problem_.has_head())
      parameters_.pointer(problem_.a.view.base);  // operands of the products come first
    for (const ProductOperand& b : problem_.b) {
      parameters_.pointer(b.view.base);
      if (b.dequantise) parameters_.pointer(b.dequantise->operand(1));
    }
    Text parts("");
    print_parts(parts);
    std::vector<std::string> includes = {"templates/elementwise.cuh", file_.header};
    if (llvm::any_of(problem_.tail, [](const Node* node) { return node->op() == Op::kRope; }))
      includes.push_back("templates/rope.cuh");
    if (problem_.b[0].dequantise)
      includes.push_back(file_.right_groups ? "templates/gemv_groups.cuh" : "templates/quantised.cuh");

    Text text(name_ + ".cu");
    print_head(text, name_, region_, file_.family, target_, file_.config_name);
    for (const std::string& include : includes) text.line("#include \"" + include + "\"");
    text.blank();
    text.line("namespace tenon {");
    text.blank();
    text.line("constexpr " + file_.config_type + " kConfig{" + file_.config + "};");
    text.line("static_assert(kConfig.threads() == " + std::to_string(file_.threads) +
              " && kConfig.shared_bytes() == " + std::to_string(file_.shared_bytes) + ");");
    for (const auto& [table, values] : tables_) print_table(text, table, values);
    text.blank();
    text.append(parts);
    text.line("}  // namespace tenon");
    return launch(text.str(), std::move(includes));
  }

 private:
  bool has_batch() const { return !problem_.batch.empty(); }
  std::string element() const { return storage_type(problem_.dtype).str(); }

  static void print_table(Text& text, const std::string& name, const std::vector<double>& values) {
    constexpr size_t kPerLine = 8;
    text.blank();
    text.line("// Inverse frequencies of rotary positions.");
    text.line("__device__ alignas(16) const float " + name + "[" + std::to_string(values.size()) + "] = {");
    for (size_t i = 0; i < values.size(); i += kPerLine) {
      std::string line = "   ";
      for (size_t j = i; j < std::min(i + kPerLine, values.size()); ++j)
        line += " " + literal(values[j], DType::kF32) + ",";
      text.line(line);
    }
    text.line("};");
  }

  /// "pointer + offset" of an operand for this block's product of the batch.
  std::string operand_text(IndexScope& scope, const ProductOperand& operand) {
    const std::string pointer = parameters_.pointer(operand.view.base);
    if (operand.dequantise) return quantised_text(operand, pointer);
    const std::string offset = scope.address(
        address_of(digits_of(Coordinate::kBatch, problem_.batch), problem_.batch, operand.batch_strides),
        operand.view.offset);
    return "Matrix<" + element() + ">{" + (offset.empty() ? pointer : pointer + " + " + offset) + ", " +
           parameters_.text(operand.line_stride) + "}";
  }

  std::string quantised_text(const ProductOperand& operand, const std::string& pointer) {
    const auto number = [](int64_t value) { return std::to_string(value); };
    const int64_t group = operand.dequantise->attributes.integer("group");
    const bool even = operand.line_stride.value() % (2 * group) == 0;
    return (file_.right_groups ? "QuantisedGroups<" : "QuantisedMatrix<") + element() + ", " +
           number(operand.bits) + ", " + number(group) + ", " + number(file_.right_elements) + ", " +
           number(operand.copy_bytes) + (file_.right_groups ? even ? ", true" : ", false" : "") + ">{" +
           pointer + ", " + parameters_.pointer(operand.dequantise->operand(1)) + ", " +
           parameters_.text(operand.line_stride) + "}";
  }

  /// Prints the struct `name` with the functions in `body` and, as members, what they use. Returns its
  /// construction in the entry.
  std::string print_struct(Text& text, const std::string& name, llvm::function_ref<void(Text&)> print_body) {
    parameters_.begin_use();
    Text body("", 1);
    print_body(body);
    text.open("struct " + name);
    std::string arguments;
    for (const auto& member : parameters_.used()) {
      text.line(member.type + " " + member.name + ";");
      arguments += (arguments.empty() ? "" : ", ") + member.name;
    }
    text.append(body);
    text.close(";");
    text.blank();
    return name + "{" + arguments + "}";
  }

  void print_head_functions(Text& text) {
    const int elements = file_.head_elements;
    const Run run{elements, file_.exact_head ? "" : "count"};
    const std::string vec = ", " + std::to_string(elements) + ">";
    DigitMap map = digits_of(Coordinate::kBatch, problem_.batch);
    for (auto& axis : digits_of(Coordinate::kRow, problem_.rows)) map.push_back(axis);
    map.push_back(digits_of(Coordinate::kCol, problem_.k)[0]);

    Text fetch("", 1), inputs("", 1), apply("", 1);
    fetch.open("TENON_DEVICE Inputs fetch(int row, int depth, int " + run.count + ") const");
    fetch.line("Inputs in;");
    inputs.open("struct Inputs");
    apply.open("TENON_DEVICE Vec<" + element() + vec + " operator()(const Inputs& in, int, int) const");
    IndexScope scope(fetch, parameters_, "batch", "row", "depth");
    ExpressionPrinter printer(apply, names_);
    bool runs = false;  // some operand varies along k; none does where k is 1
    for (const Node* node : problem_.head) {
      for (const Value* operand : node->operands()) {
        if (is_uniform(operand) || printer.bound(operand)) continue;
        bool is_run;
        const std::string load = load_text(operand, map, run, parameters_, scope, is_run);
        runs |= is_run;
        const std::string type = compute_type(operand->type().dtype).str(), field = names_(operand);
        inputs.line((is_run ? "Vec<" + type + vec : type) + " " + field + ";");
        fetch.line("in." + field + " = " + load + ";");
        printer.bind(operand, "in." + field);
      }
      printer.print(*node);
    }
    inputs.close(";");
    fetch.line("return in;");
    fetch.close();
    const std::string result = "cast<" + element() + ">(" + printer(problem_.a.value) + ")";
    apply.line("return " + (runs ? result : "splat<" + std::to_string(elements) + ">(" + result + ")") + ";");
    apply.close();
    text.line("using Element = " + element() + ";");
    text.append(inputs);
    text.append(fetch);
    text.append(apply);
  }

  void print_epilogue(Text& text) {
    const std::string sums = file_.sums_type + "<kConfig>", parameters = "(const " + sums + "& at) const";
    TailPrinter tail(text, names_, parameters_, region_, problem_,
                     {file_.vector, file_.exact_n ? "" : "at.count()"});
    if (!problem_.head_norms.empty()) {
      text.line("// What is normalised: x / sqrt(mean of x^2 over its head + eps).");
      text.open("TENON_DEVICE " + sums + "::Values before_norm" + parameters);
      tail.print_before_norm();
      text.close();
    }
    text.open("TENON_DEVICE void operator()" + parameters);
    tail.print();
    tables_ = tail.tables();
    text.close();
  }

  void print_parts(Text& text) {
    std::string head;
    if (problem_.has_head()) head = print_struct(text, "Head", [&](Text& t) { print_head_functions(t); });
    const std::string epilogue = print_struct(text, "Epilogue", [&](Text& t) { print_epilogue(t); });
    if (file_.slices > 1) parameters_.workspace();
    const std::string shape = "const GemmShape shape{.m = " + parameters_.dim(problem_.m) +
                              ", .n = " + parameters_.dim(problem_.n) +
                              ", .k = " + parameters_.dim(problem_.k) + "};";
    Text body("", 1);  // before the signature: operands may take dims that nothing named yet
    body.line(shape);
    if (has_batch()) body.line("const int batch = " + file_.batch_function + "<kConfig>(shape);");
    IndexScope scope(body, parameters_, "batch", "", "");
    const std::string a = problem_.has_head() ? head : operand_text(scope, problem_.a);
    std::string b;
    for (const ProductOperand& operand : problem_.b)
      b += (b.empty() ? "" : ", ") + operand_text(scope, operand);
    body.line(file_.function + "<kConfig>(shape, " + a + ", {" + b + "}, " + epilogue +
              (file_.slices > 1 ? ", SplitWorkspace{" + scratch_names() + "}" : std::string()) + ");");

    std::string signature;
    for (const auto& parameter : parameters_.in_order())
      signature += (signature.empty() ? "" : ", ") + parameter.type + " " + parameter.name;
    const std::string blocks = file_.blocks_per_sm > 0 ? ", " + std::to_string(file_.blocks_per_sm) : "";
    open_entry(text, target_, "kConfig.threads()" + blocks, name_, signature, !weights_go_first(),
               file_.lets_in);
    text.append(body);
    text.close();
    text.blank();
  }

  /// What the function reads before it waits for earlier kernels is no work of theirs.
  bool weights_go_first() const {
    return file_.waits && llvm::all_of(problem_.b, [](const ProductOperand& b) {
             return is_weight_parameter(b.view.base) || is_packed(b.view.base);
           });
  }

  std::string scratch_names() const {
    std::string names;
    for (const auto& parameter : parameters_.in_order())
      if (parameter.argument.kind == KernelArgument::kWorkspace ||
          parameter.argument.kind == KernelArgument::kCounters)
        names += (names.empty() ? "" : ", ") + parameter.name;
    return names;
  }

  EmittedKernel launch(const std::string& source, std::vector<std::string> includes) {
    EmittedKernel kernel;
    kernel.name = name_;
    kernel.source = source;
    for (const auto& parameter : parameters_.in_order()) kernel.arguments.push_back(parameter.argument);
    kernel.packed = parameters_.packed();
    kernel.loads_first = weights_go_first();
    kernel.grid[0] = static_cast<int>(file_.tiles);
    kernel.grid[1] = file_.slices;
    kernel.block[0] = file_.threads;
    kernel.shared_bytes = file_.shared_bytes;
    if (file_.slices > 1) {
      kernel.workspace_bytes = file_.tiles * file_.slices * file_.partial_floats * int64_t{sizeof(float)};
      kernel.counter_bytes = file_.tiles * int64_t{sizeof(int)};
    }
    for (const Graph::Output& output : region_.body->outputs()) {
      const Node& node = *output.value->node();
      const bool cache = node.op() == Op::kCacheWrite;
      kernel.aliases.push_back(cache ? static_cast<int>(node.operand(0)->node()->attributes.integer("index"))
                                     : -1);
    }
    kernel.includes = std::move(includes);
    return kernel;
  }

  const Region& region_;
  const ProductProblem& problem_;
  const ProductFile& file_;
  const Target& target_;
  std::string name_;
  Names names_;
  ProductParameters parameters_;
  std::vector<std::pair<std::string, std::vector<double>>> tables_;
};

}  // namespace

EmittedKernel print_product(const Region& region, const ProductProblem& problem, const ProductFile& file,
                            const Target& target, llvm::StringRef name) {
  return ProductPrinter(region, problem, file, target, name).print();
}

}  // namespace tenon
