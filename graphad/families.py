"""Names of what is imported when it is first used; `python tests/test_families.py` writes this file."""

SPECIAL_FUNCTIONS = "graphad.ops.special"
SPECIAL_OPS = """
agm bdtrik bdtrin bei beip ber berp bessel besselpoly beta betainc betainc_partial betaincc betainccinv
betaincinv betaln boxcox boxcox1p btdtria btdtrib carlson_integral chdtriv chndtr chndtridf chndtrinc chndtrix
component cosdg cosm1 cotdg dawsn ellipe ellipeinc ellipk ellipkinc ellipkm1 elliprc elliprd elliprf elliprg
elliprj entr erf erfc erfcinv erfcx erfi erfinv exp1 expi expit expn exprel faddeeva_derivative fdtridfd gamma
gammainc gammainc_partial gammaincc gammainccinv gammaincinv gammaln gammasgn gdtria gdtrib hankel1 hankel1e
hankel2 hankel2e hyp0f1 hyp1f1 hyp2f1 hyperu i0 i0e i1 i1e incomplete_elliptic it2struve0 itmodstruve0
itstruve0 iv ive j0 j1 jv jve k0 k0e k1 k1e kei keip kelvin_derivative ker kerp kl_div kolmogi kolmogorov
kolmogorov_derivative kv kve lambert_w legendre_derivative log_expit log_ndtr log_wright_bessel loggamma logit
lpmv mathieu_a mathieu_b modstruve nbdtrik nbdtrin ncfdtr ncfdtri ncfdtridfd ncfdtridfn ncfdtrinc nctdtr
nctdtridf nctdtrinc nctdtrit ndtr ndtri ndtri_exp owens_t pdtrik poch polygamma powm1 pseudo_huber psi rel_entr
result rgamma riemann_zeta sinc sindg smirnov smirnov_slope smirnovi spence sph_legendre spherical_bessel stdtr
stdtridf stdtrit struve student_partial tandg tklmbda voigt wofz wright_bessel wrightomega xlog1py xlogy y0 y1
yv yve zeta zetac
"""
SPECIAL_UFUNCS = """
_lambertw _riemann_zeta _smirnovp _zeta agm airy airye bdtr bdtrc bdtri bdtrik bdtrin bei beip ber berp
besselpoly beta betainc betaincc betainccinv betaincinv betaln binom boxcox boxcox1p btdtr btdtria btdtrib cbrt
chdtr chdtrc chdtri chdtriv chndtr chndtridf chndtrinc chndtrix cosdg cosm1 cotdg dawsn digamma ellipe
ellipeinc ellipj ellipk ellipkinc ellipkm1 elliprc elliprd elliprf elliprg elliprj entr erf erfc erfcinv erfcx
erfi erfinv eval_chebyc eval_chebys eval_chebyt eval_chebyu eval_gegenbauer eval_genlaguerre eval_hermite
eval_hermitenorm eval_jacobi eval_laguerre eval_legendre eval_sh_chebyt eval_sh_chebyu eval_sh_jacobi
eval_sh_legendre exp1 exp10 exp2 expi expit expm1 expn exprel fdtr fdtrc fdtri fdtridfd fresnel gamma gammainc
gammaincc gammainccinv gammaincinv gammaln gammasgn gdtr gdtrc gdtria gdtrib gdtrix hankel1 hankel1e hankel2
hankel2e huber hyp0f1 hyp1f1 hyp2f1 hyperu i0 i0e i1 i1e inv_boxcox inv_boxcox1p it2i0k0 it2j0y0 it2struve0
itairy iti0k0 itj0y0 itmodstruve0 itstruve0 iv ive j0 j1 jn jv jve k0 k0e k1 k1e kei keip kelvin ker kerp
kl_div kn kolmogi kolmogorov kv kve log1p log_expit log_ndtr log_wright_bessel loggamma logit lpmv mathieu_a
mathieu_b modfresnelm modfresnelp modstruve nbdtr nbdtrc nbdtri nbdtrik nbdtrin ncfdtr ncfdtri ncfdtridfd
ncfdtridfn ncfdtrinc nctdtr nctdtridf nctdtrinc nctdtrit ndtr ndtri ndtri_exp nrdtrimn nrdtrisd owens_t pbdv
pbvv pbwa pdtr pdtrc pdtri pdtrik poch powm1 pseudo_huber psi radian rel_entr rgamma round shichi sici sindg
smirnov smirnovi spence stdtr stdtridf stdtrit struve tandg tklmbda voigt_profile wofz wright_bessel
wrightomega xlog1py xlogy y0 y1 yn yv yve zetac
"""
COMPOSED = """
agm bei beip ber berp betaincc cosdg cosm1 cotdg ellipe ellipeinc ellipk ellipkinc ellipkm1 elliprc elliprd
elliprf elliprg elliprj erfcinv erfi exprel gdtria j0 j1 k0 k0e k1 k1e kei keip ker kerp kolmogi kolmogorov kv
kve log_expit ndtri_exp powm1 pseudo_huber psi rgamma riemann_zeta sindg stdtr stdtrit tandg wrightomega y0 y1
zetac
"""
SEARCHED = """
bdtrik bdtrin betainccinv betaincinv btdtria btdtrib chdtriv gammainccinv gammaincinv gdtrib iv ive nbdtrik
nbdtrin pdtrik tklmbda
"""
