" :Msrefactor rewrites the buffer, :MsrefactorCheck puts what would change into the quickfix list.
" Copy it to ~/.vim/plugin/ or source it. A filter that fails leaves the buffer as it is.

function! s:Rewrite() abort
  let l:before = getline(1, '$')
  let l:errors = tempname()
  let l:command = 'msrefactor -q --force-exclude --stdin-filename ' . shellescape(expand('%:p')) . ' - 2>'
  let l:after = systemlist(l:command . shellescape(l:errors), l:before)
  if v:shell_error
    echohl ErrorMsg | echomsg join(readfile(l:errors), ' ') | echohl None
  elseif l:after !=# l:before
    let l:view = winsaveview()
    silent keepjumps call deletebufline('%', len(l:after) + 1, '$')
    call setline(1, l:after)
    call winrestview(l:view)
  endif
  call delete(l:errors)
endfunction

function! s:Check() abort
  let l:lines = systemlist('msrefactor --check --exit-zero ' . shellescape(expand('%:p')) . ' 2>&1')
  call setqflist([], ' ', {'title': 'msrefactor', 'lines': l:lines, 'efm': '%f:%l:%c: %m,%f:%l: %m,%-G%.%#'})
  cwindow
endfunction

command! Msrefactor call s:Rewrite()
command! MsrefactorCheck call s:Check()
