;;; msrefactor.el --- Rewrite Dockerfiles with msrefactor -*- lexical-binding: t; -*-

;; Needs the package `reformatter'.  `M-x msrefactor-buffer' rewrites the buffer.

;;; Code:

(require 'reformatter)

(reformatter-define msrefactor
  :program "msrefactor"
  :args (append '("-q" "--force-exclude")
                (when buffer-file-name (list "--stdin-filename" buffer-file-name))
                '("-"))
  :lighter " msrefactor")

(provide 'msrefactor)
;;; msrefactor.el ends here
