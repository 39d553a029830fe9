"""What JAX and autograd have of SciPy: written by `python tests/scipy_coverage.py peers`."""

VERSIONS = (
{'jax': '0.10.2', 'autograd': '1.9.1'}
)

NAMES = (
{'jax': {'special': 'bernoulli beta betainc betaln boxcox boxcox1p comb dawsn digamma entr erf erfc erfcx erfinv '
                    'exp1 expi expit expn factorial fresnel gamma gammainc gammaincc gammaln gammasgn hyp1f1 hyp2f1 '
                    'i0 i0e i1 i1e kl_div log_ndtr log_softmax loggamma logit logsumexp multigammaln ndtr ndtri '
                    'owens_t poch polygamma rel_entr sici softmax spence sph_harm_y wofz xlog1py xlogy zeta',
         'stats': 'bernoulli beta betabinom binom cauchy chi2 dirichlet expon gamma gaussian_kde gennorm geom '
                  'gumbel_l gumbel_r laplace logistic mode multinomial multivariate_normal nbinom norm pareto '
                  'poisson rankdata sem t truncnorm uniform vonmises wrapcauchy',
         'linalg': 'block_diag cho_factor cho_solve cholesky circulant companion convolution_matrix det dft eigh '
                   'eigh_tridiagonal expm expm_frechet fiedler fiedler_companion funm hadamard hankel helmert '
                   'hessenberg hilbert inv invhilbert invpascal leslie lu lu_factor lu_solve pascal polar qr '
                   'qr_multiply rsf2csf schur solve solve_sylvester solve_triangular sqrtm svd toeplitz',
         'fft': 'dct dctn fft fft2 fftfreq fftn fftshift hfft idct idctn ifft ifft2 ifftn ifftshift ihfft irfft '
                'irfft2 irfftn rfft rfft2 rfftfreq rfftn',
         'interpolate': 'RegularGridInterpolator',
         'integrate': 'trapezoid',
         'signal': 'convolve convolve2d correlate correlate2d csd detrend fftconvolve istft stft welch',
         'ndimage': 'map_coordinates',
         'sparse': '',
         'sparse.linalg': 'bicgstab cg gmres',
         'spatial.distance': '',
         'optimize': 'minimize',
         'constants': '',
         'fftpack': ''},
 'autograd': {'special': 'beta betainc betaln digamma erf erfc erfcinv erfinv expit gamma gammainc gammaincc gammaln '
                         'gammasgn i0 i1 iv ive j0 j1 jn logit logsumexp multigammaln polygamma psi rgamma y0 y1 yn',
              'stats': 'beta chi2 dirichlet gamma multivariate_normal norm poisson t',
              'linalg': 'solve_banded solve_sylvester solve_triangular sqrtm',
              'fft': 'fft fft2 fftn fftshift ifft ifft2 ifftn ifftshift irfft irfft2 irfftn rfft rfft2 rfftn',
              'interpolate': '',
              'integrate': 'odeint',
              'signal': 'convolve',
              'ndimage': '',
              'sparse': '',
              'sparse.linalg': '',
              'spatial.distance': '',
              'optimize': '',
              'constants': '',
              'fftpack': ''}}
)

FOUND = (
{'jax': {'special': [('all',
                      'beta betaln boxcox boxcox1p comb dawsn digamma entr erf erfc erfcx erfinv exp1 expi expit '
                      'expn factorial fresnel gamma gammainc gammaincc gammaln hyp1f1 hyp2f1 i0 i0e i1 i1e kl_div '
                      'log_ndtr log_softmax loggamma logit logsumexp multigammaln ndtr ndtri owens_t poch polygamma '
                      'rel_entr sici softmax spence wofz xlog1py xlogy zeta'),
                     ('`x` only', 'betainc'),
                     ('value', 'gammasgn'),
                     ('name only', 'sph_harm_y')],
         'stats': [('all: logpmf, pmf; all but `loc`, `scale`: cdf', 'bernoulli'),
                   ('all: logpdf, pdf; `x`, `loc`, `scale` only: cdf, logcdf, sf, logsf', 'beta'),
                   ('all: logpmf, pmf', 'betabinom binom geom multinomial nbinom'),
                   ('all: logpdf, pdf, cdf, logcdf, sf, logsf, ppf, isf', 'cauchy norm'),
                   ('all: logpdf, pdf, cdf, logcdf, sf, logsf', 'chi2 gamma truncnorm'),
                   ('all: logpdf, pdf', 'dirichlet multivariate_normal t'),
                   ('all: logpdf, pdf, cdf, logcdf, sf, logsf, ppf', 'expon pareto'),
                   ('all but `loc`, `scale`: logpdf, pdf, cdf', 'gennorm'),
                   ('all but `loc`, `scale`: logpdf, pdf; all: cdf, logcdf, sf, logsf; `loc`, `scale` only: ppf',
                    'gumbel_l gumbel_r'),
                   ('all: logpdf, pdf, cdf', 'laplace'),
                   ('all: logpdf, pdf, cdf, sf, ppf, isf', 'logistic'),
                   ('all', 'mode sem'),
                   ('all: logpmf, pmf, cdf', 'poisson'),
                   ('value', 'rankdata'),
                   ('all: logpdf, pdf, cdf, ppf', 'uniform'),
                   ('all but `loc`, `scale`: logpdf, pdf', 'vonmises')],
         'linalg': [('all',
                     'block_diag cho_factor cho_solve cholesky circulant companion convolution_matrix det eigh expm '
                     'expm_frechet fiedler fiedler_companion hankel inv leslie lu lu_factor lu_solve polar qr solve '
                     'solve_triangular svd toeplitz'),
                    ('value', 'eigh_tridiagonal hessenberg qr_multiply schur sqrtm'),
                    ('`q` only', 'solve_sylvester')],
         'fft': [('all',
                  'dct dctn fft fft2 fftn fftshift hfft idct idctn ifft ifft2 ifftn ifftshift ihfft irfft irfft2 '
                  'irfftn rfft rfft2 rfftn')],
         'interpolate': [('all', 'RegularGridInterpolator')],
         'integrate': [('all', 'trapezoid')],
         'signal': [('all', 'convolve convolve2d correlate correlate2d csd detrend fftconvolve istft stft welch')],
         'ndimage': [('all', 'map_coordinates')],
         'sparse': [],
         'sparse.linalg': [],
         'spatial.distance': [],
         'optimize': [('name only', 'minimize')],
         'constants': [],
         'fftpack': []},
 'autograd': {'special': [('all',
                           'beta betaln digamma erf erfc erfcinv erfinv expit gamma gammaln i0 i1 j0 j1 jn logit '
                           'logsumexp multigammaln polygamma psi rgamma y0 y1 yn'),
                          ('`x` only', 'betainc gammainc gammaincc'),
                          ('value', 'gammasgn'),
                          ('`z` only', 'iv ive')],
              'stats': [('all but `loc`, `scale`: logpdf, pdf; `x` only: cdf', 'beta gamma'),
                        ('`x` only: logpdf, pdf, cdf', 'chi2'),
                        ('all: logpdf, pdf', 'dirichlet multivariate_normal'),
                        ('all: logpdf, pdf, cdf, logcdf, sf, logsf', 'norm'),
                        ('all but `loc`, `scale`: logpmf, pmf, cdf', 'poisson'),
                        ('all: logpdf, pdf; `x`, `loc` only: cdf, logcdf', 't')],
              'linalg': [('`b` only', 'solve_banded'), ('all', 'solve_sylvester solve_triangular sqrtm')],
              'fft': [('all',
                       'fft fft2 fftn fftshift ifft ifft2 ifftn ifftshift irfft irfft2 irfftn rfft rfft2 rfftn')],
              'interpolate': [],
              'integrate': [('`y0` only', 'odeint')],
              'signal': [('all', 'convolve')],
              'ndimage': [],
              'sparse': [],
              'sparse.linalg': [],
              'spatial.distance': [],
              'optimize': [],
              'constants': [],
              'fftpack': []}}
)
