-- conform.nvim: `require("conform").setup(require("msrefactor"))`, or copy the two tables into your own set-up.
return {
  formatters = {
    msrefactor = {
      command = "msrefactor",
      args = { "-q", "--force-exclude", "--stdin-filename", "$FILENAME", "-" },
      stdin = true,
    },
  },
  formatters_by_ft = {
    dockerfile = { "msrefactor" },
  },
}
