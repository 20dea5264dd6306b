// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Key exchange, key derivation and the Encrypted payload against published
 * vectors: NIST CAVS 17.3 (IKEv2 key derivation), Project Wycheproof (X25519,
 * P-256), RFC 5903 section 8.1, RFC 7634 appendix B.
 */
#include "unit.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "crypto.h"
#include "emit.h"
#include "ke.h"
#include "wire.h"

struct kdf {
	u16 kdf_prf;
	const char *kdf_ni, *kdf_nr, *kdf_secret, *kdf_fresh;
	const char *kdf_spi_i, *kdf_spi_r;
	const char *kdf_ike, *kdf_child, *kdf_pfs;
};

/* Cut to the first 132 bytes of key material. */
static const struct kdf kdfs[] = {
	{
		.kdf_prf = PRF_HMAC_SHA1,
		.kdf_ni =
		"32b50d5f4a3763f3",
		.kdf_nr =
		"9206a04b26564cb1",
		.kdf_secret =
		"4b2c1f971981a8ad8d0abeafabf38cf75fc8349c148142465ed9c8b516b8be52",
		.kdf_fresh =
		"863f3c9d06efd39d2b907b97f8699e5dd5251ef64a2a176f36ee40c87d4f9330",
		.kdf_spi_i =
		"34c9e7c188868785",
		.kdf_spi_r =
		"3ff77d760d2b2199",
		.kdf_ike =
		"a14293677cc80ff8f9cc0eee30d895da9d8f405666e30ef0dfcb63c634a46002a2a63080e514a062768b76606f9fa5e992204fc5a670bde3f10d6b027113936a5c55b648a194ae587b0088d52204b702c979fa280870d2ed41efa9c549fd11198af1670b143d384bd275c5f594cf266b05ebadca855e4249520a441a81157435a7a56cc4",
		.kdf_child =
		"8059e3ee8810e6c3a91bc8bcd2a7a41151b8d0e6ae239c7b38093ad85ef4c5811a8e7b5d1cdabd9560b2d5e092d1f24e2d4b85eccdf0ad0dc9abd94b51ee71814ca6dbc8bb51b6309f5b9545c7eb35cf5580b1e521a8fe20754a2d883ba0c2cf285f524aea6545b33106bc03e614296d319d41d4b50b3f510b1c0a22f3e664994d234cb4",
		.kdf_pfs =
		"bb43244c1860ad65ee1e211ffe8bb3661750c8f89cb9f547df7f4fa61d37301628190e38c66232eab4b3ab14c400a5197dd3730ed4820a8a10394d51e1c0400052f63ebd36b0e7ef53aaed31eba4a5080d7d4b5666023a8bbb5ffb7857240f9a05884d1b7d2f933708450b7b3288f1fc863ab49fa901227cffc06e27899c7054d56fd74c",
	},
	{
		.kdf_prf = PRF_HMAC_SHA1,
		.kdf_ni =
		"58f2f77a67cf55be955becbe8024cf0aa7088c2ef382aa726e827364818dae5716693be6c9066f04bd9029e3c7906b819596f1a3270d9cb378238d1bbec048ebc6256b6547ecf33bfa74cf6be32b97099ff2c126f4f0212439ee2b17066113c5419b1672e73472f7d201da576ca8381cab02ba5898f1465d4772111e6be6ac64fbfc50451430d7084eb3ac7cb71ab99dcfb88f526fe174b1b5d9bd5c54b6a9b241b87d2c9b2de9cc3b865ae2e838b8a1f781ae93fb1e6165020b888559acefb5a5e259972d3792fe26278585e89cbf9e0bee862d55138306c35e715c9d5f32c4ed190ff71859fbaa57602bb88291e37eaae4fbc36bb5bdfa95ab6898a243e896",
		.kdf_nr =
		"cff6e30a7c3128c911f60f3b0ceca4a66c4e0e1dbe010078f95d8224d7c44481221b978831207645fc9a3a03f5df3338cae247425c399eacbd0997ee745d9edc21e392350371ec337845cbc897bce1c8f20ac818c990894df4c3ec80fee767f496ba8e975d3805c47b1005d3b7bcf1c3361ae21f73b027deb958470fdb988ce1b1241cbdf7edbd314e03c18244773f8d8f03075c01fc2312186b9d40a8aef9fd9e52b2951cc8472a3901fc0eb3b7f5bbb4b1744a937f55ddddd17603994d75e85eea58b1be6e9af1fc77a0e49278d0ada7e9c22eb58c9bb9d9b97b8010abd4d71d6b6e1300fe82467692d5b54932e7d00ab8f390b8693de6b63afe6c4a5bf361",
		.kdf_secret =
		"18adb4ed59d4dc84088da801660a0302dbb4236803eebda4b1e51d87f278ff8a",
		.kdf_fresh =
		"571e3f5038c6f95341ff2e16249842348a50488a1f48d1e17d0bb66689fb76ff",
		.kdf_spi_i =
		"658677840965bce7",
		.kdf_spi_r =
		"2c1ad26508899fe4",
		.kdf_ike =
		"a9333aa9dd9fe9cb3e380e3744a9820aef62f7f150213e48e8fcae9e430b27238c0c84747eea4d678d6a2a95422fea00b3ea2c68c803a2351290b936e5414ae024b7eed872eea4249cd92b52b3481082e0431bbb0a15c7e1fcfd4f042b56f80574ac18c36ab9ab1d09bf434c8495b4f2e9f0f8ad840fd0235cd7288f5f1dbfb0cb4ec36e",
		.kdf_child =
		"31353dcae4b9fad79ce3451e0a653776ea0002eacec1c5ebe251fa2734b51a07cf8d8678b79b78a90814f2c15ac8e051aabecfcd8469cf4a05c979e91c30733f5b011bd1a3b25a27bad4348a26d409087999b31f4dba894c6659bd2493bf92dcfca2d31569e0a364cc83512129f38b65d60f97d8a39558daaaea98f188cc6a3bdac40e86",
		.kdf_pfs =
		"4719cde58695cf18f70cd2665b28f72012cad80b2e6d2dd99002a3036da438ac25909030f9d50b1673a3d30e94508a517ee9108c523a2e18240ab4d404c5cb3907f41ba3a2a92ae5df47be0d6356b381c0ec1544455eafce3b6759eb86b1026605033a709727dbcb1c7cef651e2587e8f3ae8dbbc4e7ca40003e6b04190eead020e63402",
	},
	{
		.kdf_prf = PRF_HMAC_SHA2_256,
		.kdf_ni =
		"3f302be1abcb28e1",
		.kdf_nr =
		"8c332ee006064c9b",
		.kdf_secret =
		"0f4d257d7a58fc4545c7d7a88119eee5d5c9690c5b4c989171d3abbfd99d1d29",
		.kdf_fresh =
		"25f3b12d6f282739256e39bf54eda53b60ffcf379bb7bcc90c27b4c4c578616c",
		.kdf_spi_i =
		"40dac39e1e1a8640",
		.kdf_spi_r =
		"8619a1cf9a6e4c07",
		.kdf_ike =
		"0b137d669b0947d7d026d593f0305ad401ff0c471357d695778a9c7f4b4869ece98aca531188d16041b3bb936d2dbb3b4993a6e768a809160de45d0283f273a6cdf6854379e31be72b8d3d1fa990cf9c5b015ca9f918a7df6253c958114a09d4e1c19bdcd4db14b29d98db1a74ad405c588662c14a04d0d36aa4ab55e90f8986d12d4aad",
		.kdf_child =
		"7d808e2b44635300e7025f1b640c431b13a9b3b891cd45a15261f4f3c4a7e39b3a3c8017ccc2b74610faf52ba3faf6d9e83c859b448217b24dadc82c9887460b7bd724236b9885914cc93b39d6c749e92f36b30c9eb6a9f59e396bc7c0ac4878512639cc612c5660ddb1a1fed360ac8b9b3f548f13482d0431b38eca293ef97681e179fc",
		.kdf_pfs =
		"67edd256e64542436173e3ca39ef1fdec3c8240b860df26f84caf5258578ff35df40ddc31ea210e0523988b7531c9dc3207e0e98e256214999c7712f73ff044a9cf6e3a5e421862b9ba140862f460ea5236527cf8346db9ac23feb6636e21fc7a18a94a2e9d4ad95356e278f46ac3fa53a75a058c87293cf38dd863e879f84d0e0935da3",
	},
	{
		.kdf_prf = PRF_HMAC_SHA2_256,
		.kdf_ni =
		"52695be4ccad9c05e6599fe796d899bde72e26be01c243d8e2cf9ca6859588389eb5781b54dc2ba6a12dbe146e453a53531b4b731f527dcc5e7380f630764b2136e45d9b9e371fbd3a996884870099e5e5b4eed40d51c4a148c3c2bc340add5eea80c6f5b670b6b0d62e5499e9d898e07b2acb435911ed8e54b0ea74e0b0e486df9706ad1d2fe1cea8cf3d26236c9764c44a2159c0f726cd1aec5999964e91aa6a234da90bfbded712ec3b628e0bbbdc0d340a47fd1e33fc9401072f145895d988f69cefca1bdc20275be3ff69e3c71303454cae5e35f5835c139df283fe6cec3583449bf0a66ae6f108f4d4a1c7fcaa63ae7cc7592793d34ca11577ac5be944",
		.kdf_nr =
		"fd2f17562e5948ee1aba5d1bcc288a0969b323dd82208b93b59cf6320d0beaef04c1d9dd440c9b9325993e542703516a7a37819eefc33a24fa7e38a56e199fcfee36b43747d60802695beaa0d8955d1c78d87884f40614d79f1ec9807c5387985e1bacbea4772b6217587bcab6f1ea040012e56ecd8d119d8438380b276ff4f357b1d3f1dccbfe3356c3a3d841b10d872b0fb076c12b68ecd835c5592ec9277fc92b6c9cee6594dfad80d4518c113935ec23923bfc244fd03876e43e4cb4858310d0d54b5f25f81153620131728136b481d522d52931ecd71983e716fe05daeb3378579d1644b43d2d0c7b4971064a992caffd58deec43c1063e55d2937df734",
		.kdf_secret =
		"a94b14531636fe15eaf6702bad948aaa45363de91b8612035732284f90b1f4c3",
		.kdf_fresh =
		"4ed8e741924534724004e875af6868cc4cabe11533a72ebd4bafe41e092a3084",
		.kdf_spi_i =
		"cc764573887db682",
		.kdf_spi_r =
		"34a8c67dc5b90587",
		.kdf_ike =
		"8fe38e354da09b21c7d79ee4209d7694899efb7690365aaf63c0ab8ef853055072111acf542ba0dcd8f761edc4e02edbcdeba6f608b8c028873a996aa081e5dc4dc6c4e087829c5fd89591ac07e919ac7bd57614befb68fc302637c63a8acd858437399e6558fd6799460e0406b7c4790659e9eb3aab49362cfca27e13a8c87f499db965",
		.kdf_child =
		"e05582c7d29bc0739bedfb3ef9745c4a5fbecda17c8ced9beb0f55d33603b771c0744010e993e5721335a4019b1ab2f4c20fbc51b897ae0396c3767e80e6b7dc74d18b7d57bd01690e710138434cc651fe91777eb85a2f3be0d3a1da4a03a4b43b82cef0ad1cadc9fc62f1bf67671c6ca9379118d3f3aedb8baf9102483f1fca35e1ce1e",
		.kdf_pfs =
		"dacc5eb83aaa08449c274a11150d649d055bd921d66893b0b2df8f509e4df337cc3863a8a34f8e2b033fcaaee7c2f9bf68cf21b65c97355cf11873c93f9bee6c4b217c511eae289f11cc6cb1078af909960795433d000a7fe5ae4ec67513c3f24a0c0ffdf445cf2ada0b24140a8011cb3459f364a9c4819b830028a7cd4198e6b31a2b3d",
	},
	{
		.kdf_prf = PRF_HMAC_SHA2_384,
		.kdf_ni =
		"fd1b572a8e735591",
		.kdf_nr =
		"6013b0ef88dacd3d",
		.kdf_secret =
		"d3288cd87565101e88fe3bad918f31939d8dd26ff1071f8b2d7f447524e58d7c",
		.kdf_fresh =
		"3358f620539473aee8d07e779764c4c6a9aabddc79a28e136b3bac021dbde44a",
		.kdf_spi_i =
		"2116ad07ce61f749",
		.kdf_spi_r =
		"24880e55f11a65b7",
		.kdf_ike =
		"4f904c2025c90c817ea5ff9b662a6fdb445a73b57cdf09eacd379b95e1f03cacb04cd6deeda4f952191dd9bc1f7a9502471a648d74dc06d38112de48a42501f6b1a3ad55c2099cd9a648e5f17e5bf3e34bf9b5953decb768a34f875fe2b78dca0c2fcca81ec1a412006dfaed38fa06882e61f4c148105fb8e231fdb33c4d484c001721d4",
		.kdf_child =
		"06126cc023ac8aabb3ae1ae2d583005a16d39e889efd09d588f2995883261e55f44f959072d25ea2f035a64ee8e2341421e7a2d95344282f6ff1f2a9ef236b5ec7eae4bb1074ce1f206461209c19dc05a61bbc10a5ec0391bdcd1d25831f8d1199af467359a13cb5f9b11187ad97379469f8a1ff3d612b18f165d32e3b5fc6440f447321",
		.kdf_pfs =
		"e31b1b94e0b2146ae66dfe223ca64ccf0895fb6c8862990b446b80a4a81fd801ed5fdbcee6e9455c4d56ee10cd73ea77d8c01f31d4e2fcc9d65765327e13f497f631ba09d99b39aff2ffa9082c59334a9eb082f795cde78989b1be547fde560eb49d5b262e86ef2e2094eab785008e3038dd7bb0d4ac7dac6f99d9c7945950f21b9f44de",
	},
	{
		.kdf_prf = PRF_HMAC_SHA2_384,
		.kdf_ni =
		"91a24903f4f94fce265a9592c29e7a5a3c1e60bd238d2795692c6e39d6c1790fcdc15642598cd5168f96a7c93cea98871b56fb7b9ca0b6a901caaed669ae9d21017c5b6206f4bdfec792bb75c853b97da5e6f049a08be1d6d81904cef4d7fc1b10474c6900ff97afc597b4ff8e338ce4136c4201908745e82376c7dcb5bb44b4a0ac7ceceaba7317452af07b9a197a3221027a070c85d1e7e86c589a536770b0fed650bb3320a25cd7615b29a3c6434100fdb7933582d4211d4c9e3a43942b92dd3a9642238ba19d939a666f373bae1d5af0954d4711336f80a3aeda5917e214587d69579414f995cc4e28303e4e530fba485a21682c8503a698da61d3703054",
		.kdf_nr =
		"555cd8dd1eee8ff1a4a3c9d5ced39ab8733ea4872c859622ca2b9c85f50ec72cf9e41b5e1ab5510ae578b436a68f6138c4fb3b830c0f53f764d5ace7a83c1ef7a3897b95b2fbb5f500b94642c80883c882e5681492bd191f61eed5bad10a74b12b571c529f0bc5eaef081d37081b259c028d1acb3fffc40904ee7555091b475b2808e46303c6b79da55662ddfd72434c9923924f64457b31d037c47638338899d9d323c26f607aac3397c42d8ab498e9c701df7f77f12bea8951f384bf533163cddbd8eff9ed04d56c4201658c5b67da030492f112c89b978fd7a41cedbf95b1e79822b3fb11e56625d0827aac914e8ce69acada6019cf1301862e4a0496ac26",
		.kdf_secret =
		"d4db220f6c69f957769fb1bc2d9aff55eafe5fe45309d7b45e1c718fa4a5914f",
		.kdf_fresh =
		"0c235e255e40fbd44d686671eb120ebbc951c5529d171bc77d98083792626bb6",
		.kdf_spi_i =
		"9404b0ea02b521a5",
		.kdf_spi_r =
		"1726142388255722",
		.kdf_ike =
		"2d30046f2de7c8133e384af26327dcff737e0799ba284a7748b50cc35d386313c9da19d3d483bd00edf2d20dd7a7bae3249db46ac121dcabd5c52bf386555d10d057c9ef543e9dc64adb76dc86703a4b40a78ccca963ce6e7ec93cdc40b07a47472dcaad2fcb01d7d5bfc209f0636cd381c91884769af33380545aa5480e617602b13528",
		.kdf_child =
		"92087451b6ef492a79e8fc93f5f2fc727e4fb2a73fb94b58a94b855584dea82a35176298ee7f5c55c000c294e7c7784865770206b75df74a759dd52558bb0f05a50d53e0f689e83db2caa8efdd00ea5f8d8a735b518312c7e1ed384b1c7b3f703ebb2acb54498c883ac5b7e8ec9be943603b39453d5a4ab0e5d6a0589d215c9af64eaef7",
		.kdf_pfs =
		"a070ec310b93cdc4bed5c3ae4fcab27f80a657a734b6899036bcea1e67886e85248405795419598752ca759c6149301063897ed47f9fb20d438fdea70a0661e4f8e3c1fedde3390fc1588f1948d0b975fb9ce8ecc9a86b4418f1b2bfc73f5bd8842660a4a511f7e24e0cab472d087332de1762f0d6d8ce0dcc78020bd2d636b3bcfd63e5",
	},
	{
		.kdf_prf = PRF_HMAC_SHA2_512,
		.kdf_ni =
		"97c41a9b0a03e74c",
		.kdf_nr =
		"a659fd06e1746600",
		.kdf_secret =
		"276255c3eaace5c6db32b609aa86c0ef07bba4bf2dc4c262995efd95ca607c3f",
		.kdf_fresh =
		"bb4015f7727b35532021336a9e4a6370ac8729b01fbb8f15d52236820fac4709",
		.kdf_spi_i =
		"ff43c5c689b95481",
		.kdf_spi_r =
		"e2ba607f30079bb7",
		.kdf_ike =
		"22259105314717dc73c210919ee9cb3ded774dc087e866aa3960404c0ed7b8e78e79b993888388e2e5cb238d4bfcb4cdee9da074a26e329d6c2f2f660cc9c711c941a2fb3d85a2e5d01e579c8f2c9d00fa6fabe76a137b00c7ff1b291899906588c26f073d819063238c4c844f0f8d221b65b76dbc9ed6f6368e5dba86b3e81b60eb44a1",
		.kdf_child =
		"2f1311a8e143e59d65bd9d8adc4e64c624313495c899697236bd0980c503717d0ad5dee13ff918e3f4f6505bc19a0a1352d20e99f704f6ef0c71124be1c97a1ad9aacf99a33c1cd00537aa922906d1db33fcd640f147953ac632f8a655f84daa1363e0b8322e82620c4bc27309bb1525387493398467b7c9561317e61d1f8be436388aa9",
		.kdf_pfs =
		"15a40cef7fc88a166526a4cdb5697dddbccf3c69a72b22c92c1f88e9ca9d9b5258c9f52684a7169efd4463f758e34ada6eb3f3805f194f6019b13acd11988e423f7630cb764f10a86eb28e14cba8596ee9255c853f7a903ef09de2ab5f84cc446359c604dc193a8d4c4e4b02174a4c04aa859e84934bbb60128b920b90124187c721c000",
	},
	{
		.kdf_prf = PRF_HMAC_SHA2_512,
		.kdf_ni =
		"4a7cb4ac0e29254cff8be2df49ede7ce128d345a7b734446f714819786f62f43c94b99fb588d73dc560243af58540a0ab902f94ff6475897af489ee5791cfab6805bb48142c6d9a6c6b28df27c32f7cdc9b4f71178894a2d9ce927ed8ff68a9e57c734db4512484ec51568b225da24118b5e9fcef386e47d41e5bc6a3c0c316f189580f68a4fd3dc411749a48449436cd3f5359334c408d3ebd366e0c7f844e802af8e2d7abe328c9c1d357b33a89ec405ba459380fd7587d137c5786360d727a92126bef46bf1834111e45a862563484b6be42d9e571bac9320afe1bfef353b2730d1e1db9103a17100c62944bc1f36633ca2f4e416febd9e9b4775a697d8d8",
		.kdf_nr =
		"3ce0189be206e239e9e518f652661b798485389bc4366d5f729d61226d403819db6fae2080fcc3d2df2afe8c817b750af97d14c525cafdda3884fdc2997a25d3e21700c7604f034b8179f26d22f1e5fb85229de932575355ad5a926f1ff9c22552f84c87d066e0d6193466784e5dea490afc39c727e7e5c54484700f0f9a495a3e309cb04c0f15f1e881b0aa31b435c8a123beb1c321143fa134306b46f146f05ea2d42ce0866551e90e6662fbb8bb3300f3b1325c044f5959538ae846c13da7f52fcbda737b26fe6c9df906e5d2620e122d1168ee47ee028113363c0dd5d692850f968f953712982d9a4fcf33b384ab1444fe067baf9e36d08cc079e04f81d4",
		.kdf_secret =
		"7794f2746d3275fb590509ff578b55be3e34a1d16a7a7800c1ec25dede310ffc",
		.kdf_fresh =
		"81eea11dca0c7c9c565d8446376e94bf6f41b105f6f0baca13b2de95b8fdfde5",
		.kdf_spi_i =
		"70e98b99bd6d2f19",
		.kdf_spi_r =
		"17f9a42a6609870f",
		.kdf_ike =
		"4ac61c24d811d6fcd7941a2349263cbca4f4d9dc50ae559f969a55b3444fffaafc05b8c24a008a090fbc773274a7c8c371bb8d3048095151904e1c25ed74770922fa25b0e3ef9cefba36915a1b0241ec38015c4ac115f2234a38498a046acc5254302471b4f27f469227ba1e5734c1a80c12500dac9073f35a2436c0b0693dae062e080b",
		.kdf_child =
		"d513a894d74e5b3355c391e5569fa8bcfcc4db6b0dc4516206f0acee03f7fd331313ae43ee2ec0f48d64c3b70e3b2e6f4f6686eb0dc306887093dd4e41d9ddd0c8e9d58c6b71c9cd9f66b97052ddf7c05bc7797fe0aa25cbbcf4bfce8dfd5851b4aac83d9e7cb77a05b1598673d924dbcfb0b6f255ffdfad62f5bb028965d95a0a3ae86b",
		.kdf_pfs =
		"8ebb22cc25572d4d5877f43bde2624f81db9341b046c39d6f53f11ac8b9f3d7ebad4a9bcaca4bde58f2b59d40306595487635bf1fdc425087cddea5cba2cecbc432e4688af46eb06a04ff63de5c9bdda17199495232b2937ab5bff4bc67127d1973a83f589d74a3646de58ecdf49f96cc8bbc7598d2ced22384a86b8287b641f6c8307a1",
	},
};

/* Private key, the peer's value, the secret; NULL where it must be refused. */
static const struct {
	u16 ke_group;
	const char *ke_private, *ke_peer, *ke_secret;
} exchanges[] = {
	{
		KE_X25519,
		"c8a9d5a91091ad851c668b0736c1c9a02936c0d3ad62670858088047ba057475",
		"504a36999f489cd2fdbc08baff3d88fa00569ba986cba22548ffde80f9806829",
		"436a2c040cf45fea9b29a0cb81b1f41458f863d0d61b453d0a982720d6d61320",
	},
	{
		KE_X25519,
		"d85d8c061a50804ac488ad774ac716c3f5ba714b2712e048491379a500211958",
		"63aa40c6e38346c5caf23a6df0a5e6c80889a08647e551b3563449befcfc9733",
		"279df67a7c4611db4708a0e8282b195e5ac0ed6f4b2f292c6fbd0acac30d1332",
	},
	{
		KE_X25519,
		"d03edde9f3e7b799045f9ac3793d4a9277dadeadc41bec0290f81f744f73775f",
		"0200000000000000000000000000000000000000000000000000000000000000",
		"b87a1722cc6c1e2feecb54e97abd5a22acc27616f78f6e315fd2b73d9f221e57",
	},
	{
		KE_X25519,
		"88227494038f2bb811d47805bcdf04a2ac585ada7f2f23389bfd4658f9ddd45e",
		"0000000000000000000000000000000000000000000000000000000000000000",
		NULL,
	},
	{
		KE_X25519,
		"48232e8972b61c7e61930eb9450b5070eae1c670475685541f0476217e48184f",
		"0100000000000000000000000000000000000000000000000000000000000000",
		NULL,
	},
	{
		KE_X25519,
		"a8386f7f16c50731d64f82e6a170b142a4e34f31fd7768fcb8902925e7d1e25a",
		"0400000000000000000000000000000000000000000000000000000000000000",
		"34b7e4fa53264420d9f943d15513902342b386b172a0b0b7c8b8f2dd3d669f59",
	},
	{
		KE_X25519,
		"e0f978dfcd3a8f1a5093418de54136a584c20b7b349afdf6c0520886f95b1272",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		NULL,
	},
	{
		KE_X25519,
		"387355d995616090503aafad49da01fb3dc3eda962704eaee6b86f9e20c92579",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		NULL,
	},
	{
		KE_X25519,
		"0016b62af5cabde8c40938ebf2108e05d27fa0533ed85d70015ad4ad39762d54",
		"efffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"b4d10e832714972f96bd3382e4d082a21a8333a16315b3ffb536061d2482360d",
	},
	{
		KE_X25519,
		"88dd14e2711ebd0b0026c651264ca965e7e3da5082789fbab7e24425e7b4377e",
		"f1ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"6919992d6a591e77b3f2bacbd74caf3aea4be4802b18b2bc07eb09ade3ad6662",
	},
	{
		KE_X25519,
		"c8e0330ae9dceeff887fba761225879a4bd2e0db08799244136e4721b2c88970",
		"dbffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"dfe60831c9f4f96c816e51048804dbdc27795d760eced75ef575cbe3b464054b",
	},
	{
		KE_X25519,
		"a046e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449a44",
		"e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
		"c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
	},
	{
		KE_X25519,
		"4866e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba4d",
		"e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a413",
		"95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
	},
	{
		KE_X25519,
		"60a3a4f130b98a5be4b1cedb7cb85584a3520e142d474dc9ccb909a073a9767f",
		"b7b6d39c765cb60c0c8542f4f3952ffb51d3002d4aeb9f8ff988b192043e6d0a",
		"0200000000000000000000000000000000000000000000000000000000000000",
	},
	{
		KE_X25519,
		"60a3a4f130b98a5be4b1cedb7cb85584a3520e142d474dc9ccb909a073a9767f",
		"3b18df1e50b899ebd588c3161cbd3bf98ebcc2c1f7df53b811bd0e91b4d5153d",
		"0900000000000000000000000000000000000000000000000000000000000000",
	},
	{
		KE_X25519,
		"e0a8be63315c4f0f0a3fee607f44d30a55be63f09561d9af93e0a1c9cf0ed751",
		"0200000000000000000000000000000000000000000000000000000000000000",
		"0c50ac2bfb6815b47d0734c5981379882a24a2de6166853c735329d978baee4d",
	},
	{
		KE_X25519,
		"0840a8af5bc4c48da8850e973d7e14220f45c192cea4020d377eecd25c7c3643",
		"1200000000000000000000000000000000000000000000000000000000000000",
		"77557137a2a2a651c49627a9b239ac1f2bf78b8a3e72168ccecc10a51fc5ae66",
	},
	{
		KE_X25519,
		"a023cdd083ef5bb82f10d62e59e15a6800000000000000000000000000000050",
		"6c05871352a451dbe182ed5e6ba554f2034456ffe041a054ff9cc56b8e946376",
		"6c05871352a451dbe182ed5e6ba554f2034456ffe041a054ff9cc56b8e946376",
	},
	{
		KE_ECP_256,
		"0612465c89a023ab17855b0a6bcebfd3febb53aef84138647b5352e02c10c346",
		"62d5bd3372af75fe85a040715d0f502428e07046868b0bfdfa61d731afe44f26ac333a93a9e70a81cd5a95b5bf8d13990eb741c8c38872b4a07d275a014e30cf",
		"53020d908b0219328b658b525f26780e3ae12bcd952bb25a93bc0895e1714285",
	},
	{
		KE_ECP_256,
		"0a0d622a47e48f6bc1038ace438c6f528aa00ad2bd1da5f13ee46bf5f633d71a",
		"58fd4168a87795603e2b04390285bdca6e57de6027fe211dd9d25e2212d29e62080d36bd224d7405509295eed02a17150e03b314f96da37445b0d1d29377d12c",
		"0000000000000000000000000000000000000000000000000000000000000000",
	},
	{
		KE_ECP_256,
		"0a0d622a47e48f6bc1038ace438c6f528aa00ad2bd1da5f13ee46bf5f633d71a",
		"a1ecc24bf0d0053d23f5fd80ddf1735a1925039dc1176c581a7e795163c8b9ba2cb5a4e4d5109f4527575e3137b83d79a9bcb3faeff90d2aca2bed71bb523e7e",
		"ffffffff00000001000000000000000000000000fffffffffffffffffffffffc",
	},
	{
		KE_ECP_256,
		"55d55f11bb8da1ea318bca7266f0376662441ea87270aa2077f1b770c4854a48",
		"7fffffffffffffffffffffffeecf2230ffffffffffffffffffffffffffffffff00000001c7c30643abed0af0a49fe352cb483ff9b97dccdf427c658e8793240d",
		"6fd26661851a8de3c6d06f834ef3acb8f2a5f9c136a985ffe10d5eeb51edcfa3",
	},
	{
		KE_ECP_256,
		"55d55f11bb8da1ea318bca7266f0376662441ea87270aa2077f1b770c4854a48",
		"000000000000000000000000111124f4000000000000000000000000000000000000000d12d381b0760b1c50be8acf859385052c7f53cde67ce13759de3123a0",
		"f1f0e43b374feb7e7f96d4ffe7519fa8bb6c3cfd25f6f87dab2623d2a2d33851",
	},
	{
		KE_ECP_256,
		"0000000000000000000000000000000000000000000000000000000000000003",
		"31028f3377fc8f2b1967edaab90213acad0da9f50897f08f57537f78f116744743a1930189363bbde2ac4cbd1649cdc6f451add71dd2f16a8a867f2b17caa16b",
		"85a0b58519b28e70a694ec5198f72c4bfdabaa30a70f7143b5b1cd7536f716ca",
	},
	{
		KE_ECP_256,
		"00000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"31028f3377fc8f2b1967edaab90213acad0da9f50897f08f57537f78f116744743a1930189363bbde2ac4cbd1649cdc6f451add71dd2f16a8a867f2b17caa16b",
		"a329a7d80424ea2d6c904393808e510dfbb28155092f1bac284dceda1f13afe5",
	},
	{
		KE_ECP_256,
		"2a265f8bcbdcaf94d58519141e578124cb40d64a501fba9c11847b28965bc737",
		"023819813ac969847059028ea88a1f30dfbcde03fc791d3a252c6b41211882eaf93e4ae433cc12cf2a43fc0ef26400c0e125508224cdb649380f25479148a4ad",
		"4d4de80f1534850d261075997e3049321a0864082d24a917863366c0724f5ae3",
	},
	{
		KE_ECP_256,
		"313f72ff9fe811bf573176231b286a3bdb6f1b14e05c40146590727a71c3bccd",
		"cc11887b2d66cbae8f4d306627192522932146b42f01d3c6f92bd5c8ba739b06a2f08a029cd06b46183085bae9248b0ed15b70280c7ef13a457f5af382426031",
		"831c3f6b5f762d2f461901577af41354ac5f228c2591f84f8a6e51e2e3f17991",
	},
	{
		KE_ECP_256,
		"7e4aa54f714bf01df85c50269bea3a86721f84afe74f7b41ea58abcf3474e88d",
		"00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
		NULL,
	},
	{
		KE_ECP_256,
		"7e4aa54f714bf01df85c50269bea3a86721f84afe74f7b41ea58abcf3474e88d",
		"00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000001",
		NULL,
	},
	{
		KE_ECP_256,
		"7e4aa54f714bf01df85c50269bea3a86721f84afe74f7b41ea58abcf3474e88d",
		"0000000000000000000000000000000000000000000000000000000000000000ffffffff00000001000000000000000000000000fffffffffffffffffffffffe",
		NULL,
	},
	{
		KE_ECP_256,
		"7e4aa54f714bf01df85c50269bea3a86721f84afe74f7b41ea58abcf3474e88d",
		"0000000000000000000000000000000000000000000000000000000000000000ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
		NULL,
	},
	{
		KE_ECP_256,	/* RFC 5903 section 8.1 */
		"C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433",
		"D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF6356FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F8353E74F33039872AB",
		"D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE",
	},
};

static size_t unhex(const char *text, u8 *out, size_t room)
{
	size_t len = strlen(text) / 2, i;

	assert_true(len <= room);
	for (i = 0; i < len; i++) {
		char digits[3] = { text[2 * i], text[2 * i + 1], '\0' };
		char *end;

		out[i] = (u8)strtoul(digits, &end, 16);
		assert_ptr_equal(end, digits + 2);
	}
	return len;
}

static struct msg_blob blob(const char *text, u8 *buf, size_t room)
{
	return (struct msg_blob){ buf, unhex(text, buf, room) };
}

static size_t put_key(const struct ike_key *key, u8 *out)
{
	memcpy(out, key->key_data, key->key_len);
	return key->key_len;
}

/* The seven keys one after the other are the key material. */
static size_t join_keys(const struct ike_keys *keys, u8 *out)
{
	size_t len = put_key(&keys->keys_d, out);

	len += put_key(&keys->keys_ai, out + len);
	len += put_key(&keys->keys_ar, out + len);
	len += put_key(&keys->keys_ei, out + len);
	len += put_key(&keys->keys_er, out + len);
	len += put_key(&keys->keys_pi, out + len);
	len += put_key(&keys->keys_pr, out + len);
	return len;
}

static void assert_material(const u8 *is, size_t len, const char *text)
{
	u8 want[512];
	size_t want_len = unhex(text, want, sizeof(want));

	assert_memory_equal(is, want, len < want_len ? len : want_len);
}

static void check_kdf(const struct kdf *kdf)
{
	u8 ni[256], nr[256], secret[64], fresh[64], spi_i[8], spi_r[8];
	struct msg_blob b_ni = blob(kdf->kdf_ni, ni, sizeof(ni));
	struct msg_blob b_nr = blob(kdf->kdf_nr, nr, sizeof(nr));
	struct msg_blob b_secret = blob(kdf->kdf_secret, secret, sizeof(secret));
	struct ike_secret b_fresh = {
		.sec_first = blob(kdf->kdf_fresh, fresh, sizeof(fresh)),
	};
	struct ike_secret none = { 0 };
	struct ike_suite suite = {
		.suite_encr = ENCR_AES_CBC, .suite_encr_bits = 128,
		.suite_prf = kdf->kdf_prf,
		.suite_integ = INTEG_HMAC_SHA2_256_128,
		.suite_ke = KE_X25519,
	};
	struct ike_keys keys;
	u8 out[512];

	unhex(kdf->kdf_spi_i, spi_i, sizeof(spi_i));
	unhex(kdf->kdf_spi_r, spi_r, sizeof(spi_r));
	assert_true(crypto_ike_keys(&keys, &suite, &b_secret, &b_ni, &b_nr,
				    spi_i, spi_r));
	assert_material(out, join_keys(&keys, out), kdf->kdf_ike);
	assert_true(crypto_child_keys(kdf->kdf_prf, &keys.keys_d, &none, &b_ni,
				      &b_nr, out, 132));
	assert_material(out, 132, kdf->kdf_child);
	assert_true(crypto_child_keys(kdf->kdf_prf, &keys.keys_d, &b_fresh,
				      &b_ni, &b_nr, out, 132));
	assert_material(out, 132, kdf->kdf_pfs);
}

static void test_kdf(void **state)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kdfs); i++)
		check_kdf(&kdfs[i]);
}

static EVP_PKEY *x25519_private(const u8 *data, size_t len)
{
	return EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, data, len);
}

static EVP_PKEY *ecp_private(const u8 *data, size_t len)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	BIGNUM *value = BN_bin2bn(data, (int)len, NULL);
	EVP_PKEY *key = NULL;
	OSSL_PARAM *params;

	OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME,
					"P-256", 0);
	OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, value);
	params = OSSL_PARAM_BLD_to_param(bld);
	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params),
			 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	BN_free(value);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static void test_exchanges(void **state)
{
	u8 buf[256];
	size_t i, len;

	for (i = 0; i < ARRAY_SIZE(exchanges); i++) {
		struct ke *ke = ke_new(exchanges[i].ke_group);

		len = unhex(exchanges[i].ke_private, buf, sizeof(buf));
		if (ke->ke_group == KE_X25519)
			ke->ke_pair = x25519_private(buf, len);
		else
			ke->ke_pair = ecp_private(buf, len);
		len = unhex(exchanges[i].ke_peer, buf, sizeof(buf));
		assert_null(ke_set_peer(ke, buf, len));
		ke_run(ke);
		assert_int_equal(ke->ke_failed, !exchanges[i].ke_secret);
		if (exchanges[i].ke_secret) {
			len = unhex(exchanges[i].ke_secret, buf, sizeof(buf));
			assert_int_equal(ke->ke_secret_len, len);
			assert_memory_equal(ke->ke_secret, buf, len);
		}
		ke_free(ke);
	}
}

/* RFC 7634 appendix B, as a whole message. */
static void test_chacha_message(void **state)
{
	static const char *const message[] = {
		"c0c1c2c3c4c5c6c7d0d1d2d3d4d5d6d72e2025000000000900000045290000291011121314151617610394701f8d017f7c129248896b71bfe25236efd7cdc67066906315b2",
	};
	struct ike_suite suite = { .suite_encr = ENCR_CHACHA20_POLY1305 };
	struct ike_key key = { .key_len = 36 };
	u8 msg[128], out[128], again[128];
	size_t len = unhex(message[0], msg, sizeof(msg)), out_len;
	unsigned int i;

	for (i = 0; i < 36; i++)
		key.key_data[i] = (u8)(0x80 + i);
	assert_true(crypto_open(&suite, &key, NULL, msg, 32, len, out,
				&out_len));
	assert_int_equal(out_len, 12);
	assert_memory_equal(out, "\0\0\0\x0c\0\0\x40\x01\0\0\0\x0a", 12);
	/* And the same bytes come out again. */
	memcpy(again, msg, len);
	memcpy(again + 40, out, 12);
	again[52] = 0;
	assert_true(crypto_seal(&suite, &key, NULL, 0x1011121314151617, again,
				32, len));
	assert_memory_equal(again, msg, len);
}

static const struct ike_suite suites[] = {
	{ ENCR_AES_GCM_16, 128, PRF_HMAC_SHA2_256, INTEG_NONE, KE_X25519, 0, { 0 } },
	{ ENCR_AES_GCM_16, 192, PRF_HMAC_SHA2_256, INTEG_NONE, KE_X25519, 0, { 0 } },
	{ ENCR_AES_GCM_16, 256, PRF_HMAC_SHA2_512, INTEG_NONE, KE_X25519, 0, { 0 } },
	{ ENCR_CHACHA20_POLY1305, 0, PRF_HMAC_SHA2_256, INTEG_NONE, KE_X25519, 0, { 0 } },
	{ ENCR_AES_CBC, 128, PRF_HMAC_SHA2_256, INTEG_HMAC_SHA2_256_128,
	  KE_X25519, 0, { 0 } },
	{ ENCR_AES_CBC, 192, PRF_HMAC_SHA2_384, INTEG_HMAC_SHA2_384_192,
	  KE_X25519, 0, { 0 } },
	{ ENCR_AES_CBC, 256, PRF_HMAC_SHA2_512, INTEG_HMAC_SHA2_512_256,
	  KE_X25519, 0, { 0 } },
};

static void some_keys(struct ike_keys *keys, const struct ike_suite *suite)
{
	struct msg_blob any = { (const u8 *)"0123456789abcdef", 16 };

	assert_true(crypto_suite_ok(suite));
	assert_true(crypto_ike_keys(keys, suite, &any, &any, &any, any.blob_data,
				    any.blob_data));
}

/* Any length; every flipped bit is found; every cut is found. */
static void check_seal(const struct ike_suite *suite, size_t extra)
{
	struct msg_header hdr = { .hdr_version = 0x20, .hdr_id = 3 };
	u8 data[64] = { 7 }, out[EMIT_MAX];
	struct ike_keys keys;
	struct emit em;
	size_t len, i;

	some_keys(&keys, suite);
	emit_begin(&em, &hdr);
	emit_sk(&em, suite);
	emit_notify(&em, N_COOKIE, data, extra);
	assert_true(emit_seal(&em, suite, &keys.keys_ei, &keys.keys_ai, 5));
	assert_int_equal(get_be32(em.em_data + 24), em.em_len);
	assert_true(crypto_open(suite, &keys.keys_ei, &keys.keys_ai, em.em_data,
				MSG_HEADER_LEN + 4, em.em_len, out, &len));
	assert_int_equal(len, 8 + extra);
	assert_memory_equal(out + 8, data, extra);
	for (i = 0; i < 8 * em.em_len; i++) {
		em.em_data[i / 8] ^= (u8)(1 << i % 8);
		assert_false(crypto_open(suite, &keys.keys_ei, &keys.keys_ai,
					 em.em_data, MSG_HEADER_LEN + 4,
					 em.em_len, out, &len));
		em.em_data[i / 8] ^= (u8)(1 << i % 8);
	}
	for (i = 0; i < em.em_len; i++)
		assert_false(crypto_open(suite, &keys.keys_ei, &keys.keys_ai,
					 em.em_data, MSG_HEADER_LEN + 4, i, out,
					 &len));
	assert_false(crypto_open(suite, &keys.keys_er, &keys.keys_ar,
				 em.em_data, MSG_HEADER_LEN + 4, em.em_len, out,
				 &len));
}

static void test_seal(void **state)
{
	size_t i, extra;

	for (i = 0; i < ARRAY_SIZE(suites); i++)
		for (extra = 0; extra < 34; extra += 3)
			check_seal(&suites[i], extra);
}

/* Authentic, but the pad length points outside. */
static void test_bad_padding(void **state)
{
	size_t i, len;

	for (i = 0; i < ARRAY_SIZE(suites); i++) {
		const struct ike_suite *suite = &suites[i];
		size_t iv = crypto_iv_len(suite), icv = crypto_icv_len(suite);
		struct ike_keys keys;
		u8 msg[128] = { 0 }, out[128];

		some_keys(&keys, suite);
		len = 32 + iv + 16 + icv;
		msg[32 + iv + 15] = 16;
		assert_true(crypto_seal(suite, &keys.keys_ei, &keys.keys_ai, 1,
					msg, 32, len));
		assert_false(crypto_open(suite, &keys.keys_ei, &keys.keys_ai,
					 msg, 32, len, out, &len));
		memset(msg, 0, sizeof(msg));
		len = 32 + iv + 16 + icv;
		msg[32 + iv + 15] = 15;
		assert_true(crypto_seal(suite, &keys.keys_ei, &keys.keys_ai, 1,
					msg, 32, len));
		assert_true(crypto_open(suite, &keys.keys_ei, &keys.keys_ai,
					msg, 32, len, out, &len));
		assert_int_equal(len, 0);
	}
}

static void test_unknown(void **state)
{
	struct ike_suite suite = suites[0];

	suite.suite_encr_bits = 129;
	assert_false(crypto_suite_ok(&suite));
	suite = suites[4];
	suite.suite_integ = INTEG_NONE;
	assert_false(crypto_suite_ok(&suite));
	suite = suites[0];
	suite.suite_prf = PRF_HMAC_MD5;
	assert_false(crypto_suite_ok(&suite));
	assert_int_equal(crypto_prf_len(77), 0);
}

static int init(void **state)
{
	return crypto_init() ? 0 : -1;
}

int main(void)
{
	static const UNIT_TEST tests[] = {
		cmocka_unit_test(test_kdf),
		cmocka_unit_test(test_exchanges),
		cmocka_unit_test(test_chacha_message),
		cmocka_unit_test(test_seal),
		cmocka_unit_test(test_bad_padding),
		cmocka_unit_test(test_unknown),
	};

	return cmocka_run_group_tests(tests, init, NULL);
}
