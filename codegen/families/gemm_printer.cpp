// gemm_printer.cpp: the file of a tiled product: config, head, epilogue, entry.
#include "codegen/families/gemm_printer.h"

#include "codegen/families/tail_printer.h"

namespace tenon {
namespace {

/// The fields that differ from the defaults, as designated initialisers.
std::string config_text(const GemmConfig& c) {
  const GemmConfig usual;
  std::string text = ".block_m = " + std::to_string(c.block_m) + ", .block_n = " + std::to_string(c.block_n) +
                     ", .block_k = " + std::to_string(c.block_k) + ", .part_m = " + std::to_string(c.part_m) +
                     ", .part_n = " + std::to_string(c.part_n);
  const auto number = [&](const char* name, int value, int standard) {
    if (value != standard) text += std::string(", .") + name + " = " + std::to_string(value);
  };
  const auto flag = [&](const char* name, bool value) {
    if (value) text += std::string(", .") + name + " = true";
  };
  number("element_bytes", c.element_bytes, usual.element_bytes);
  text += ", .stages = " + std::to_string(c.stages);
  number("slices", c.slices, usual.slices);
  number("group_m", c.group_m, usual.group_m);
  number("products", c.products, usual.products);
  if (c.a_contiguous != usual.a_contiguous) text += ", .a_contiguous = Contiguous::outer";
  if (c.b_contiguous != usual.b_contiguous) text += ", .b_contiguous = Contiguous::outer";
  number("a_copy", c.a_copy, usual.a_copy);
  number("b_copy", c.b_copy, usual.b_copy);
  flag("exact_k", c.exact_k);
  flag("exact_n", c.exact_n);
  if (c.row_sums != RowSums::none)
    text += std::string(", .row_sums = RowSums::") + (c.row_sums == RowSums::squares ? "squares" : "moments");
  number("vector", c.vector, usual.vector);
  number("passes", c.passes, usual.passes);
  return text;
}

class GemmPrinter {
 public:
  GemmPrinter(const Region& region, const ProductProblem& problem, const GemmChoice& choice,
              const Target& target, llvm::StringRef name)
      : region_(region),
        problem_(problem),
        choice_(choice),
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
    for (const ProductOperand& b : problem_.b) parameters_.pointer(b.view.base);
    Text parts("");
    print_parts(parts);
    std::vector<std::string> includes = {"templates/elementwise.cuh", header()};
    if (llvm::any_of(problem_.tail, [](const Node* node) { return node->op() == Op::kRope; }))
      includes.push_back("templates/rope.cuh");

    Text text(name_ + ".cu");
    print_head(text, name_, region_, "gemm", target_, "tile " + config_name(choice_.config));
    for (const std::string& include : includes) text.line("#include \"" + include + "\"");
    text.blank();
    text.line("namespace tenon {");
    text.blank();
    text.line("constexpr GemmConfig kConfig{" + config_text(choice_.config) + "};");
    text.line("static_assert(kConfig.threads() == " + std::to_string(choice_.config.threads()) +
              " && kConfig.shared_bytes() == " + std::to_string(choice_.config.shared_bytes()) + ");");
    for (const auto& [table, values] : tables_) print_table(text, table, values);
    text.blank();
    text.append(parts);
    text.line("}  // namespace tenon");
    return launch(text.str(), std::move(includes));
  }

 private:
  bool has_batch() const { return !problem_.batch.empty(); }
  std::string header() const {
    return choice_.tensor_cores ? "templates/gemm_sm80.cuh" : "templates/gemm_simt.cuh";
  }
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
    const std::string offset = scope.address(
        address_of(digits_of(Coordinate::kBatch, problem_.batch), problem_.batch, operand.batch_strides),
        operand.view.offset);
    return "Matrix<" + element() + ">{" + (offset.empty() ? pointer : pointer + " + " + offset) + ", " +
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
    const int elements = 16 / static_cast<int>(size_of(problem_.dtype));
    const Run run{elements, choice_.config.exact_k ? "" : "count"};
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
    text.open("TENON_DEVICE void operator()(const GemmSums<kConfig>& at) const");
    TailPrinter tail(text, names_, parameters_, region_, problem_,
                     {choice_.config.vector, choice_.config.exact_n ? "" : "at.count()"});
    tail.print();
    tables_ = tail.tables();
    text.close();
  }

  void print_parts(Text& text) {
    std::string head;
    if (problem_.has_head()) head = print_struct(text, "Head", [&](Text& t) { print_head_functions(t); });
    const std::string epilogue = print_struct(text, "Epilogue", [&](Text& t) { print_epilogue(t); });
    if (choice_.config.slices > 1) parameters_.workspace();
    const std::string shape = "const GemmShape shape{.m = " + parameters_.dim(problem_.m) +
                              ", .n = " + parameters_.dim(problem_.n) +
                              ", .k = " + parameters_.dim(problem_.k) + "};";
    Text body("", 1);  // before the signature: operands may take dims that nothing named yet
    body.line(shape);
    if (has_batch()) body.line("const int batch = gemm_batch<kConfig>(shape);");
    IndexScope scope(body, parameters_, "batch", "", "");
    const std::string a = problem_.has_head() ? head : operand_text(scope, problem_.a);
    std::string b;
    for (const ProductOperand& operand : problem_.b)
      b += (b.empty() ? "" : ", ") + operand_text(scope, operand);
    const std::string call = choice_.tensor_cores ? "gemm_sm80" : "gemm_simt";
    body.line(call + "<kConfig>(shape, " + a + ", {" + b + "}, " + epilogue +
              (choice_.config.slices > 1 ? ", GemmWorkspace{" + scratch_names() + "}" : std::string()) +
              ");");

    std::string signature;
    for (const auto& parameter : parameters_.in_order())
      signature += (signature.empty() ? "" : ", ") + parameter.type + " " + parameter.name;
    const std::string blocks = choice_.blocks_per_sm > 0 ? ", " + std::to_string(choice_.blocks_per_sm) : "";
    text.open("extern \"C\" __global__ __launch_bounds__(kConfig.threads()" + blocks + ") void " + name_ +
              "(" + signature + ")");
    text.append(body);
    text.close();
    text.blank();
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
    kernel.grid[0] = static_cast<int>(choice_.tiles);
    kernel.grid[1] = choice_.config.slices;
    kernel.block[0] = choice_.config.threads();
    kernel.shared_bytes = choice_.config.shared_bytes();
    if (choice_.config.slices > 1) {
      kernel.workspace_bytes =
          choice_.tiles * choice_.config.slices * choice_.config.partial_floats() * int64_t{sizeof(float)};
      kernel.counter_bytes = choice_.tiles * int64_t{sizeof(int)};
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
  const GemmChoice& choice_;
  const Target& target_;
  std::string name_;
  Names names_;
  ProductParameters parameters_;
  std::vector<std::pair<std::string, std::vector<double>>> tables_;
};

}  // namespace

EmittedKernel print_gemm(const Region& region, const ProductProblem& problem, const GemmChoice& choice,
                         const Target& target, llvm::StringRef name) {
  return GemmPrinter(region, problem, choice, target, name).print();
}

}  // namespace tenon
