# ruff: noqa: E501, W291 - Markdown is written in long lines and breaks them with spaces
"""Answers to draw: one with every construct, and texts that try to do more than be read."""

from __future__ import annotations

EVERYTHING = r"""# Streaming Markdown

A paragraph with **bold**, *italic*, ~~struck~~, `inline code`, a [link](https://example.com/path "title"), an autolink
<https://elk.dev>, `Vec<String>` and Vec<String>, <tag> and <!-- a comment -->. Mathematics: $a_1 * b_2 * c$, \(x_i^2\).
Wide ones: 漢字も含まれています。これは長い日本語の文章です。 Emoji: 👩‍👩‍👧 ❤️ 🏽 1️⃣ 🎉, and averyveryveryveryveryveryverylongword.

## Lists

- first item
- second item with a **bold** word and enough text to wrap around to the next row
  - nested one
  - nested two
    - third level

      with a paragraph
- [ ] open task
- [x] done task

1. one
2. two

   A second paragraph in the item.

   ```python
   def f(x: int) -> str:
       '''Doc
       string.'''
       return f"{x}"  # a comment that is long enough to be wider than a narrow window is, and then some more
   ```
3. three
   > quoted in an item
lazily

> A quote with *emphasis*
> over two lines.
>
> > nested
> - a list
> - in a quote
>
> | a | b |
> |---|---|
> | 1 | 2 |

### Table

| Language | Typing | Speed |
|:---------|:------:|------:|
| Python | dynamic | 1 |
| Rust | static, *strong* `a\|b` | 100 |
| 日本語 | 幅の広い文字がたくさん並んでいる欄 | 3 |
| too | few |

Heading by underline
====================
another
-------

***

~~~js
/* a comment
   over lines */
const x = `a ${b}`; // hi
~~~

    indented code

    after a blank

$$
\int_0^1 x^2 dx
= \frac{1}{3}
$$

![a picture](https://x.org/p.png)
Two spaces  
break hard. [red]not markup[/red] & &amp; &lt;entity&gt;

[ref]: https://example.org "Title"

See [ref] and [later].

[later]: /nowhere

-
- after an empty item

The end
"""

ATTACKS = [
    "\x1b]52;c;aGFja2Vk\x07",
    "\x1b]0;owned\x07",
    "\x1b]8;;file:///etc/passwd\x1b\\click\x1b]8;;\x1b\\",
    "\x1bP+q544e\x1b\\",
    "\x1bPq#0;2;0;0;0~\x1b\\",
    "\x1b[2J\x1b[H",
    "\x1b[6n",
    "\x1b[c",
    "\x1b[>q",
    "\x1b[?1049h",
    "\x1b[201~rm -rf /\n",
    "\x1b_Gf=24;\x1b\\",
    "\x1b]1337;File=:\x07",
    "\x1bc",
    "\x1b#8",
    "\x9b31m",
    "\x9d0;x\x9c",
    "\x90q\x9c",
    "\x0e\x0f\x05\x08\x08\x08\r",
    "\x1b[31",  # without an end
    "\x1b]0;without an end",
    "\u202e\u2066\u200f\u200b\ufeff",
    "&#27;[31m &#x9b;31m &#8238; &#x200b; &#13;",
]

SHELLS = [
    "plain {} text",
    "# heading {}",
    "`code {}`",
    "```{}\nfenced {}\n```",
    "```python\nx = '{}'\n```",
    "- item {}",
    "> quote {}",
    "| a {} | b |\n|---|---|\n| c | {} |",
    "[text {}](https://example.com/{})",
    "[text](<javascript:{}>)",
    '[text](https://example.com "title {}")',
    "![alt {}](<https://x/{}>)",
    "<https://example.com/{}>",
    "[ref]: https://example.com/{} '{}'\n\n[ref]",
    "$x{}$ and \\(y{}\\)",
    "$$\n{}\n$$",
    "    indented {}",
]
